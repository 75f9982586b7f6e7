import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ProxySettings } from '@stockpile/domain/provider'
import { adviceOn } from '@stockpile/domain/refusal'
import { createClient } from '../../src/client/client.js'
import { openTransport } from '../../src/client/transport.js'
import { DISPOSITIONS } from '../../src/refusals/dispositions.js'
import { dailyBody, NOW, record } from '../series/bodies.js'
import { failureOf, serveBody } from './http-server.js'

const KEY = 'CANARYKEY1234567'
const SOUND = dailyBody({ '2026-05-15': record() })
const NO_PROXIES: ProxySettings = { httpProxy: '', httpsProxy: '', noProxy: '' }

/** A private key and certificate that were made for these tests and are used nowhere else. */
const TLS = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLOyLMtGCPYS1lXBm
J4qTZcGEV2W+YkrHfp1qxJCwM7ahRANCAAS7WQ8rMGZB1ZFchfCirh+ia58MYDZs
RRI3G8aI12MlWOP1RlF2kfdLr8eK1dOdw0G31iiHi3biNZDDwR/ta1Eo
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUbWWVr9Bn2FlgGVMr/lz68cmWv+QwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNcHJvdmlkZXIudGVzdDAgFw0yNjExMjcxNjQzMDhaGA8yMTI2
MTEwMzE2NDMwOFowGDEWMBQGA1UEAwwNcHJvdmlkZXIudGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABLtZDyswZkHVkVyF8KKuH6JrnwxgNmxFEjcbxojXYyVY
4/VGUXaR90uvx4rV053DQbfWKIeLduI1kMPBH+1rUSijUzBRMB0GA1UdDgQWBBS1
CRBa9G8uBxRV/psWhrRryo0XnTAfBgNVHSMEGDAWgBS1CRBa9G8uBxRV/psWhrRr
yo0XnTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDU2Tlyxv85
mYJbmhxXYHKPOF3A7Jxr582snF6G1tfWtQIgdafVytg8lJSdj4L6RU7Cw64+wv62
Xl/azL3Eu2jRMww=
-----END CERTIFICATE-----`,
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return address.port
}

/** Starts a provider that only a tunnel reaches, and lists what it was asked. */
async function tlsProvider() {
  const asked: IncomingMessage[] = []
  const server = createTlsServer(TLS, (request, response) => {
    asked.push(request)
    response.end(SOUND)
  })
  return { port: await listen(server), asked }
}

/** Starts a real proxy. Its tunnels all lead to `tunnelTo`; requests that name a whole URL it answers itself. */
async function startProxy({ tunnelTo = 0, status = 200 } = {}) {
  const seen: { line: string; headers: string }[] = []
  const note = ({ method, url, headers }: IncomingMessage) =>
    seen.push({ line: `${method} ${url}`, headers: JSON.stringify(headers) })
  const server = createServer((request, response) => {
    note(request)
    response.writeHead(status).end(SOUND)
  })
  server.on('connect', (request, socket, head) => {
    note(request)
    if (status !== 200) return void socket.end(`HTTP/1.1 ${status} No\r\n\r\n`)
    const upstream = connect(tunnelTo, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    for (const end of [upstream, socket]) {
      end.on('error', () => {})
      end.on('close', () => void (upstream.destroy(), socket.destroy()))
    }
  })
  return { url: `http://127.0.0.1:${await listen(server)}`, seen }
}

async function fetchVia(baseUrl: string, proxies: Partial<ProxySettings>, onDeparture?: () => void) {
  const transport = openTransport(baseUrl, { ...NO_PROXIES, ...proxies })
  onTestFinished(() => transport.close())
  const client = createClient({ baseUrl, apiKey: () => KEY, now: () => NOW, transport })
  return await client.fetchDaily({ symbol: 'IBM', outputsize: 'compact' }, undefined, onDeparture)
}

describe('a proxy', () => {
  afterEach(() => vi.unstubAllEnvs())

  it('is asked for a tunnel to an https provider, and sees nothing of the key', async () => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
    const provider = await tlsProvider()
    const proxy = await startProxy({ tunnelTo: provider.port })
    const httpsProxy = proxy.url.replace('//', '//user:secret@')
    const series = await fetchVia('https://provider.test', { httpsProxy })
    expect(series.rows).toHaveLength(1)
    expect(proxy.seen.map(({ line }) => line)).toEqual(['CONNECT provider.test:443'])
    expect(JSON.stringify(proxy.seen)).not.toContain(KEY)
    expect(proxy.seen[0]?.headers).toContain('proxy-authorization')
    expect(provider.asked).toHaveLength(1)
    expect(provider.asked[0]?.url).toContain(`apikey=${KEY}`)
    expect(provider.asked[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  it('is asked for the whole URL of an http provider', async () => {
    const proxy = await startProxy()
    const departed = vi.fn<() => void>()
    const { rows } = await fetchVia('http://provider.test', { httpProxy: proxy.url }, departed)
    expect(rows).toHaveLength(1)
    expect(departed).toHaveBeenCalledOnce()
    expect(proxy.seen).toHaveLength(1)
    expect(proxy.seen[0]?.line).toMatch(/^GET http:\/\/provider\.test\/query\?/)
  })

  it.each([
    ['https', 407],
    ['https', 502],
    ['http', 407],
  ])('that refuses %s with %i is named, and nothing counts as sent', async (protocol, status) => {
    const { url } = await startProxy({ status })
    const refused = fetchVia(`${protocol}://provider.test`, { httpProxy: url, httpsProxy: url })
    const error = await failureOf(refused)
    expect(error).toMatchObject({ class: 'network', sent: false })
    expect(error.message).toContain(`The proxy refuses the way to the provider (HTTP ${status})`)
  })

  it.each(['https', 'http'])('that is not there keeps %s from being sent', async (protocol) => {
    const gone = createServer()
    const port = await listen(gone)
    gone.close()
    const proxy = `http://127.0.0.1:${port}`
    const error = await failureOf(
      fetchVia(`${protocol}://provider.test`, { httpProxy: proxy, httpsProxy: proxy }),
    )
    expect(error).toMatchObject({ class: 'network', sent: false })
  })

  it('is not asked for what is on this machine, nor for what NO_PROXY names', async () => {
    const proxy = await startProxy()
    const { baseUrl, requests } = await serveBody(SOUND)
    await fetchVia(baseUrl, { httpProxy: proxy.url })
    expect(requests).toHaveLength(1)
    // A host that does not exist cannot be found when it is asked directly.
    const direct = fetchVia('http://provider.test', { httpProxy: proxy.url, noProxy: 'other.test,.test' })
    expect(await failureOf(direct)).toMatchObject({ class: 'network', sent: false })
    expect(proxy.seen).toEqual([])
  })

  it('is read from the settings, and never from the environment', async () => {
    const proxy = await startProxy()
    for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy']) vi.stubEnv(name, proxy.url)
    expect(await failureOf(fetchVia('http://provider.test', {}))).toMatchObject({ class: 'network' })
    expect(proxy.seen).toEqual([])
  })

  it('is named by the advice when it is set alone', () => {
    const { viaProxy } = openTransport('https://provider.test', { ...NO_PROXIES, httpsProxy: 'http://p:1' })
    expect(adviceOn(DISPOSITIONS.network, { outputsize: 'compact', viaProxy })).toContain('A proxy is set')
    expect(adviceOn(DISPOSITIONS.network, { outputsize: 'compact', viaProxy: false })).not.toMatch(/proxy/i)
    const local = openTransport('http://127.0.0.1:1', { ...NO_PROXIES, httpProxy: 'http://p:1' })
    expect(local.viaProxy).toBe(false)
  })
})
