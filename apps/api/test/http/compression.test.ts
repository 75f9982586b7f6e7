import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { january, store, useApp } from '../app.js'

describe('an answer', () => {
  const context = useApp()
  const get = (url: string, acceptEncoding?: string, others: Record<string, string> = {}) =>
    context.app.inject({
      url,
      headers: { ...(acceptEncoding !== undefined && { 'accept-encoding': acceptEncoding }), ...others },
    })
  const decode = { br: brotliDecompressSync, gzip: gunzipSync }
  const URLS = [
    '/api/financial_data?limit=100',
    '/api/financial_data?limit=100&format=csv',
    '/api/financial_data?format=csv',
    '/api/financial_data?format=ndjson',
  ]

  test.each(URLS)('is the same in brotli, in gzip and as it is, with the same tag: %s', async (url) => {
    for (const symbol of ['IBM', 'AAPL', 'MSFT', 'A', 'B', 'C']) await store(context.db, symbol, january())
    const plain = await get(url)
    expect(plain.headers).not.toHaveProperty('content-encoding')
    expect(plain.body.length).toBeGreaterThan(4_096)
    for (const encoding of ['br', 'gzip'] as const) {
      const answer = await get(url, encoding)
      expect(answer.headers).toMatchObject({
        'content-encoding': encoding,
        vary: 'accept, accept-encoding',
        etag: plain.headers['etag'],
      })
      expect(decode[encoding](answer.rawPayload).toString()).toBe(plain.body)
      expect(answer.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2)
    }
    const kept = await get(url, 'br', { 'if-none-match': String(plain.headers['etag']) })
    expect([kept.statusCode, kept.body]).toStrictEqual([304, ''])
  })

  test('is brotli where both are accepted, and neither where none is', async () => {
    for (const symbol of ['IBM', 'AAPL']) await store(context.db, symbol, january())
    const encoding = async (accept: string) =>
      (await get('/api/financial_data?limit=100', accept)).headers['content-encoding']
    expect(await encoding('gzip, deflate, br, zstd')).toBe('br')
    expect(await encoding('gzip, br;q=0.5')).toBe('gzip')
    expect(await encoding('br;q=0, gzip;q=0')).toBeUndefined()
    expect(await encoding('identity')).toBeUndefined()
    expect(await encoding('nonsense')).toBeUndefined()
  })

  test('that is small comes as it is', async () => {
    await store(context.db, 'IBM', january())
    const answer = await get('/api/financial_data?limit=20', 'br, gzip')
    expect(answer.headers).not.toHaveProperty('content-encoding')
    // Caches need Vary here too, since a larger answer at this address would be compressed.
    expect(answer.headers['vary']).toBe('accept, accept-encoding')
  })
})
