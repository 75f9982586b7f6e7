import { Agent, EnvHttpProxyAgent } from 'undici'
import type { Dispatcher } from 'undici'
import type { ProxySettings } from '@stockpile/domain/provider'

/** The way to the provider, which its opener closes. */
export interface Transport {
  dispatcher: Dispatcher
  /** Whether requests go through a proxy, for advice. */
  viaProxy: boolean
  close(): Promise<void>
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * Makes the way to `baseUrl`; no connection is opened before the first request. With a proxy, https goes through a tunnel
 * (CONNECT), and for http the proxy is asked for the whole URL. A host of this machine is always asked directly.
 */
export function openTransport(baseUrl: string, { httpProxy, httpsProxy, noProxy }: ProxySettings): Transport {
  const { hostname, protocol } = new URL(baseUrl)
  const proxy = protocol === 'https:' ? httpsProxy || httpProxy : httpProxy
  const viaProxy = proxy !== '' && !LOOPBACK.test(hostname)
  // Empty addresses are passed on as well: EnvHttpProxyAgent reads from the environment what is missing.
  const dispatcher = viaProxy
    ? new EnvHttpProxyAgent({ httpProxy, httpsProxy, noProxy, proxyTunnel: false })
    : new Agent()
  return { dispatcher, viaProxy, close: () => dispatcher.destroy() }
}
