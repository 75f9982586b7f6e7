import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClient } from '../../src/client/client.js'
import { dailyBody, META_DATA, NOW, record } from '../series/bodies.js'
import { failureOf, serve, serveBody } from './http-server.js'

const SOUND = dailyBody({ '2026-05-15': record(), '2026-05-14': record({ '4. close': 'NaN' }) })
const IBM = { symbol: 'IBM', outputsize: 'compact' as const }

function clientOf(baseUrl: string, options: Partial<Parameters<typeof createClient>[0]> = {}) {
  return createClient({ baseUrl, apiKey: () => 'CANARYKEY1234567', now: () => NOW, ...options })
}

describe('a request', () => {
  it('asks for the daily series as JSON, and gives the checked series', async () => {
    const { baseUrl, requests } = await serveBody(SOUND)
    const series = await clientOf(baseUrl).fetchDaily({ symbol: 'IBM', outputsize: 'full' })
    expect(series).toMatchObject({
      symbol: 'IBM',
      rows: [{ date: '2026-05-15', close: '101.2500' }],
      rejected: [{ date: '2026-05-14', reasons: ['not_a_number'] }],
      provisional: [],
      bytes: Buffer.byteLength(SOUND),
    })
    expect(requests).toHaveLength(1)
    expect(requests[0]?.pathname).toBe('/query')
    expect(Object.fromEntries(requests[0]?.searchParams ?? [])).toEqual({
      function: 'TIME_SERIES_DAILY',
      symbol: 'IBM',
      outputsize: 'full',
      datatype: 'json',
      apikey: 'CANARYKEY1234567',
    })
  })

  it.each([
    [{ 'x-synthetic-data': 'true' }, true],
    [{ 'content-type': 'application/json' }, false],
  ])('says whether the prices are made up, by the headers %j', async (headers, synthetic) => {
    const { baseUrl } = await serve((_request, response) => response.writeHead(200, headers).end(SOUND))
    expect(await clientOf(baseUrl).fetchDaily(IBM)).toMatchObject({ synthetic })
  })

  it.each(['BRK-B', 'BC/PB', 'NYCB- PR-U', 'NXT(EXP20091224)', 'ACWV:BAT', 'A&apikey=x#%2F+é'])(
    'carries the symbol %s whole',
    async (symbol) => {
      const body = dailyBody({ '2026-05-15': record() }, { ...META_DATA, '2. Symbol': symbol })
      const { baseUrl, requests } = await serveBody(body)
      expect((await clientOf(baseUrl).fetchDaily({ symbol, outputsize: 'compact' })).rows).toHaveLength(1)
      expect(requests[0]?.searchParams.getAll('symbol')).toEqual([symbol])
      expect(requests[0]?.searchParams.getAll('apikey')).toEqual(['CANARYKEY1234567'])
    },
  )

  it('tells when it is written to its connection: once, before it is answered, and never where there is none', async () => {
    const told: string[] = []
    const { baseUrl } = await serve((_request, response) => {
      told.push('arrived')
      response.end(SOUND)
    })
    // Two requests to one address at once, each with a listener of its own.
    await Promise.all(
      ['departed', 'departed'].map((what) =>
        clientOf(baseUrl).fetchDaily(IBM, undefined, () => told.push(what)),
      ),
    )
    expect(told.toSorted()).toEqual(['arrived', 'arrived', 'departed', 'departed'])
    expect(told[0]).toBe('departed')
    const gone = createServer().listen(0, '127.0.0.1')
    await once(gone, 'listening')
    const address = gone.address()
    const port = typeof address === 'object' ? address?.port : address
    gone.close()
    await once(gone, 'close')
    const refused = clientOf(`http://127.0.0.1:${port}`).fetchDaily(IBM, undefined, () => told.push('never'))
    expect((await failureOf(refused)).sent).toBe(false)
    expect(told).not.toContain('never')
  })

  it('asks for the key every time, so that a rotated one counts at once', async () => {
    const { baseUrl, requests } = await serveBody(SOUND)
    const keys = ['OLD', ' NEW\n']
    const client = clientOf(baseUrl, { apiKey: async () => keys.shift() ?? '' })
    await client.fetchDaily(IBM)
    await client.fetchDaily(IBM)
    expect(requests.map((url) => url.searchParams.get('apikey'))).toEqual(['OLD', 'NEW'])
  })

  it.each([
    ['is empty', () => ''],
    ['has a line break', () => 'a\nb'],
    ['cannot be read', () => Promise.reject(new Error('ENOENT CANARYKEY1234567'))],
  ])('is not sent when the key %s, which is an invalid key', async (_what, apiKey) => {
    const { baseUrl, requests } = await serveBody(SOUND)
    const error = await failureOf(clientOf(baseUrl, { apiKey }).fetchDaily(IBM))
    expect(error.class).toBe('invalid_key')
    expect(error.message).not.toContain('CANARY')
    expect(requests).toEqual([])
  })

  it.each(['', '/', '/av', '/av/', '/query'])(
    'goes to /query below the path %j of the base URL',
    async (path) => {
      const { baseUrl, requests } = await serveBody(SOUND)
      await clientOf(baseUrl + path).fetchDaily(IBM)
      expect(requests[0]?.pathname).toBe(path.startsWith('/av') ? '/av/query' : '/query')
    },
  )

  it('is never made to what is no plain http(s) URL', () => {
    const wrong = [
      '',
      'alphavantage',
      'file:///etc/passwd',
      'http://user:CANARY@host',
      'http://host/query?apikey=CANARY',
    ]
    for (const baseUrl of wrong) {
      expect(() => clientOf(baseUrl)).toThrow(TypeError)
      expect(() => clientOf(baseUrl)).not.toThrow(/CANARY/)
    }
  })
})

describe('an abort', () => {
  it.each(['before the headers', 'in the middle of the body'])('%s rejects with its reason', async (when) => {
    const controller = new AbortController()
    const reason = new Error('the run was cancelled')
    const { baseUrl } = await serve((_request, response) => {
      if (when === 'in the middle of the body') response.write('{"Meta Data"')
      setImmediate(() => controller.abort(reason))
    })
    await expect(clientOf(baseUrl).fetchDaily(IBM, controller.signal)).rejects.toBe(reason)
  })

  it('while the key is asked for rejects with its reason', async () => {
    const controller = new AbortController()
    const client = clientOf('http://127.0.0.1:1', {
      apiKey: () => {
        queueMicrotask(() => controller.abort())
        return new Promise(() => {})
      },
    })
    await expect(client.fetchDaily(IBM, controller.signal)).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('after the request changes nothing, and the signal is let go', async () => {
    const { baseUrl } = await serveBody(SOUND)
    const controller = new AbortController()
    const { signal } = controller
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    onTestFinished(() => controller.abort())
    await clientOf(baseUrl).fetchDaily(IBM, signal)
    expect(listeners).toBe(0)
  })
})
