import { createGunzip } from 'node:zlib'
import { get } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { REFUSALS, variantsOf } from '../../src/simulator/refusals.js'
import { type Answer, DEFECTS } from '../../src/simulator/rules.js'
import { type Rule, type Simulator, startSimulator } from '../../src/simulator/server.js'

let simulator: Simulator
beforeAll(async () => {
  simulator = await startSimulator({ now: () => new Date('2026-05-16T12:00:00Z') })
})
afterEach(() => simulator.clearRules())
afterAll(() => simulator.close())

const url = (symbol = 'IBM') =>
  `${simulator.url}/query?function=TIME_SERIES_DAILY&symbol=${symbol}&apikey=SECRETKEY`
const series = z.object({
  'Meta Data': z.record(z.string(), z.string()),
  'Time Series (Daily)': z.record(z.string(), z.record(z.string(), z.string())),
})

async function ask(answer?: Rule['answer'], symbol?: string) {
  simulator.clearRules()
  if (answer !== undefined) simulator.rule({ answer })
  const response = await fetch(url(symbol), { redirect: 'manual' })
  return { response, text: await response.text() }
}
async function askSeries(answer?: Rule['answer']) {
  const body = series.parse(JSON.parse((await ask(answer)).text))
  return { meta: body['Meta Data'], rows: Object.entries(body['Time Series (Daily)']) }
}

describe('a scripted answer', () => {
  it('is any refusal in any of its wordings, always as JSON with status 200', async () => {
    const wordings = REFUSALS.flatMap((refusal) =>
      variantsOf(refusal).map((variant) => ({ refusal, variant })),
    )
    expect(wordings.length).toBeGreaterThan(15)
    const bodies = new Set<string>()
    for (const wording of wordings) {
      const { response, text } = await ask({ kind: 'refusal', ...wording })
      expect(response.status).toBe(200)
      expect(() => void JSON.parse(text)).not.toThrow()
      bodies.add(text)
    }
    expect(bodies.size).toBe(wordings.length)
    expect([...bodies].filter((body) => body.includes('SECRETKEY'))).toHaveLength(1)
  })

  it('is a status with its headers', async () => {
    const { response, text } = await ask({
      kind: 'status',
      status: 429,
      headers: { 'Retry-After': '7' },
      body: 'slow down',
    })
    expect([response.status, response.headers.get('retry-after'), text]).toEqual([429, '7', 'slow down'])
    expect(simulator.arrivals().at(-1)?.answer).toBe('status:429')
  })

  it('is an HTML page with status 200', async () => {
    const { response, text } = await ask({ kind: 'html' })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(text).toContain('<html>')
  })

  it('is any body', async () => {
    expect((await ask({ kind: 'raw', body: '[1]' })).text).toBe('[1]')
    expect((await ask({ kind: 'empty_object' })).text).toBe('{}')
  })

  it('is JSON that ends in the middle though HTTP says that it is complete', async () => {
    const { response, text } = await ask({ kind: 'invalid_json' })
    expect(Number(response.headers.get('content-length'))).toBe(text.length)
    expect(() => void JSON.parse(text)).toThrow(SyntaxError)
  })

  it('is a redirect', async () => {
    const { response } = await ask({ kind: 'redirect', location: 'http://169.254.169.254/latest' })
    expect([response.status, response.headers.get('location')]).toEqual([
      302,
      'http://169.254.169.254/latest',
    ])
  })

  it('is the usual body, late or bit by bit', async () => {
    const usual = (await ask()).text
    expect((await ask({ kind: 'delay', ms: 30 })).text).toBe(usual)
    expect((await ask({ kind: 'drip', bytes: 4_000, everyMs: 1 })).text).toBe(usual)
  })

  it('is a drip that a client can give up', async () => {
    simulator.rule({ answer: { kind: 'drip', bytes: 1, everyMs: 5 } })
    const abort = new AbortController()
    const response = await fetch(url(), { signal: abort.signal })
    const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader()
    expect((await reader?.read())?.value).toHaveLength(1)
    abort.abort()
    await expect(reader?.read()).rejects.toThrow('aborted')
    expect((await ask()).response.status).toBe(200)
  })

  it('is half a body and a destroyed connection', async () => {
    simulator.rule({ answer: { kind: 'cut' } })
    const response = await fetch(url())
    expect(response.status).toBe(200)
    await expect(response.text()).rejects.toThrow('terminated')
  })

  it('is a reset connection', async () => {
    simulator.rule({ answer: { kind: 'reset' } })
    await expect(fetch(url())).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
  })

  it('is a small body that inflates to as many bytes as asked for', async () => {
    const bytes = 20 * 1024 * 1024 + 17
    simulator.rule({ answer: { kind: 'gzip_bomb', bytes } })
    const [received, inflated] = await new Promise<[number, number]>((resolve, reject) => {
      get(url(), (response) => {
        let sent = 0
        let size = 0
        expect(response.headers['content-encoding']).toBe('gzip')
        response.on('data', (chunk: Buffer) => (sent += chunk.length))
        response
          .pipe(createGunzip())
          .on('data', (chunk: Buffer) => (size += chunk.length))
          .on('end', () => resolve([sent, size]))
          .on('error', reject)
      }).on('error', reject)
    })
    expect(inflated).toBe(bytes)
    expect(received).toBeLessThan(bytes / 500)
    // zlib, which the client uses, inflates all members to the end.
    expect((await fetch(url()).then((response) => response.arrayBuffer())).byteLength).toBe(bytes)
  })

  it('is a body of as many bytes as asked for, without a content-length', async () => {
    const { response, text } = await ask({ kind: 'huge_body', bytes: 3_000_001 })
    expect([response.headers.get('content-length'), text.length]).toEqual([null, 3_000_001])
  })

  it('is a series of which one past close was restated', async () => {
    const usual = await askSeries()
    const restated = await askSeries({ kind: 'restated', date: '2026-05-08', close: '9999.0000' })
    const index = usual.rows.findIndex(([date]) => date === '2026-05-08')
    expect(restated.rows[index]?.[1]).toMatchObject({ '4. close': '9999.0000', '2. high': '9999.0000' })
    expect(restated.rows.toSpliced(index, 1)).toEqual(usual.rows.toSpliced(index, 1))
    const bySelf = await askSeries({ kind: 'restated' })
    expect(
      bySelf.rows.flatMap((row, at) => (JSON.stringify(row) === JSON.stringify(usual.rows[at]) ? [] : [at])),
    ).toEqual([5])
  })

  it.each(DEFECTS)('is a series with one bad row: %s', async (defect) => {
    const usual = await askSeries()
    const bad = await askSeries({ kind: 'bad_row', defect, row: 3 })
    expect(bad.rows).toHaveLength(100)
    const differing = bad.rows.filter((row) =>
      usual.rows.every((other) => JSON.stringify(other) !== JSON.stringify(row)),
    )
    expect(differing).toHaveLength(1)
  })

  it('is a series with a date that is there twice, which JSON.parse does not see', async () => {
    const { text } = await ask({ kind: 'repeated_date' })
    const dates = [...text.matchAll(/^ {8}"(\d{4}-\d{2}-\d{2})"/gm)].map((match) => match[1])
    expect([dates.length, new Set(dates).size]).toEqual([101, 100])
  })

  it("is another symbol's data", async () => {
    expect((await askSeries({ kind: 'other_symbol', symbol: 'AAPL' })).meta['2. Symbol']).toBe('AAPL')
  })

  it('is a session that is still open, whose bar is not the one it will close with', async () => {
    const usual = await askSeries()
    const live = await askSeries({ kind: 'open_session', time: '12:01:02' })
    // The session is today's, though today is a Saturday: the answer must be playable at any time.
    expect(live.meta['3. Last Refreshed']).toBe('2026-05-16 12:01:02')
    expect(live.rows[0]?.[0]).toBe('2026-05-16')
    expect(live.rows[0]?.slice(1)).not.toEqual(usual.rows[0]?.slice(1))
    expect(live.rows.slice(1)).toEqual(usual.rows.slice(0, -1))
  })

  it('leaves a refusal as it is where there is no series to alter', async () => {
    const kinds: Answer[] = [
      { kind: 'other_symbol', symbol: 'AAPL' },
      { kind: 'bad_row', defect: 'nan', row: 0 },
    ]
    for (const answer of kinds) expect((await ask(answer, 'NOSUCH')).text).toContain('Invalid API call')
  })
})
