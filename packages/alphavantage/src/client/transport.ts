import { Agent, EnvHttpProxyAgent } from 'undici'
import type { Dispatcher } from 'undici'
import type { ProxySettings } from '@stockpile/domain/provider'

/** The way to the provider. Whoever opened it closes it. */
export interface Transport {
  dispatcher: Dispatcher
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
  close(): Promise<void>
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/**
 * Opens the way to `baseUrl`: https by a tunnel through the proxy (CONNECT), http by asking it for the whole URL. A host of
 * this machine, such as the simulator, is always asked directly. Opens no connection before the first request.
 */
export function openTransport(baseUrl: string, { httpProxy, httpsProxy, noProxy }: ProxySettings): Transport {
  const { hostname, protocol } = new URL(baseUrl)
  const proxy = protocol === 'https:' ? httpsProxy || httpProxy : httpProxy
  const viaProxy = proxy !== '' && !LOOPBACK.test(hostname)
  // Given as text even when empty: what is missing it would read from the environment.
  const dispatcher = viaProxy
    ? new EnvHttpProxyAgent({ httpProxy, httpsProxy, noProxy, proxyTunnel: false })
    : new Agent()
  return { dispatcher, viaProxy, close: () => dispatcher.destroy() }
}
