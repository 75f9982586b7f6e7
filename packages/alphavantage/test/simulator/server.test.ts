import { afterEach, describe, expect, it } from 'vitest'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/server.js'

const open: Simulator[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((simulator) => simulator.close()))
})

async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({ now: () => new Date('2026-05-16T12:00:00Z'), ...options })
  open.push(simulator)
  return simulator
}

async function ask(simulator: Simulator, parameters: Record<string, string> = {}) {
  const query = new URLSearchParams({
    function: 'TIME_SERIES_DAILY',
    symbol: 'IBM',
    apikey: 'SECRETKEY',
    ...parameters,
  })
  const response = await fetch(`${simulator.url}/query?${query.toString()}`)
  return { response, text: await response.text() }
}

describe('the simulator', () => {
  it('answers TIME_SERIES_DAILY in the shape of the provider, newest first', async () => {
    const { response, text } = await ask(await start())
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(text.split('\n').slice(0, 16).join('\n')).toMatch(
      /^\{\n {4}"Meta Data": \{\n {8}"1\. Information": "Daily Prices \(open, high, low, close\) and Volumes",\n {8}"2\. Symbol": "IBM",\n {8}"3\. Last Refreshed": "2026-05-15",\n {8}"4\. Output Size": "Compact",\n {8}"5\. Time Zone": "US\/Eastern"\n {4}\},\n {4}"Time Series \(Daily\)": \{\n {8}"2026-05-15": \{\n {12}"1\. open": "\d+\.\d{4}",\n {12}"2\. high": "\d+\.\d{4}",\n {12}"3\. low": "\d+\.\d{4}",\n {12}"4\. close": "\d+\.\d{4}",\n {12}"5\. volume": "\d+"\n {8}\}/,
    )
    const body: unknown = JSON.parse(text)
    expect(text).toBe(JSON.stringify(body, null, 4))
    expect(text.match(/"1\. open"/g)).toHaveLength(100)
  })

  it('gives the same rows as CSV with CRLF, to download', async () => {
    const simulator = await start()
    const { response, text } = await ask(simulator, { datatype: 'csv' })
    expect(response.headers.get('content-type')).toBe('application/x-download')
    const lines = text.split('\r\n')
    expect(lines[0]).toBe('timestamp,open,high,low,close,volume')
    expect(lines).toHaveLength(102)
    const json = (await ask(simulator)).text
    for (const value of lines[1]?.split(',') ?? ['missing']) expect(json).toContain(`"${value}"`)
  })

  it('says in every answer that its prices are made up', async () => {
    const simulator = await start()
    for (const parameters of [{}, { datatype: 'csv' }, { apikey: 'invalid' }])
      expect((await ask(simulator, parameters)).response.headers.get('x-synthetic-data')).toBe('true')
  })

  it('serves everything as full, and anything else as compact', async () => {
    const simulator = await start()
    const full = (await ask(simulator, { outputsize: 'full' })).text
    expect(full).toContain('"4. Output Size": "Full size"')
    expect(full.match(/"1\. open"/g)?.length).toBeGreaterThan(6_200)
    expect((await ask(simulator, { outputsize: 'FULL', datatype: 'xml' })).text).toBe(
      (await ask(simulator)).text,
    )
  })

  it('keeps the past as days pass', async () => {
    let now = new Date('2026-05-16T12:00:00Z')
    const simulator = await start({ now: () => now })
    const before = (await ask(simulator, { datatype: 'csv' })).text.split('\r\n')
    now = new Date('2026-05-18T22:00:00Z')
    const after = (await ask(simulator, { datatype: 'csv' })).text.split('\r\n')
    expect(after[1]).toMatch(/^2026-05-18,/)
    expect(after.slice(2, 101)).toEqual(before.slice(1, 100))
  })

  it.each([
    [
      'an unknown function',
      { function: 'NOPE' },
      /"This API function \(NOPE\) does not exist\."/,
      'unknown_function',
    ],
    ['the demo key', { apikey: 'demo' }, /\*\*demo\*\* API key/, 'demo_key'],
    ['no key', { apikey: '' }, /apikey is invalid or missing/, 'invalid_key'],
    ['a wrong key', { apikey: 'invalid' }, /apikey is invalid or missing/, 'invalid_key'],
    [
      'a symbol that does not exist',
      { symbol: 'NOSUCH' },
      /Invalid API call.*TIME_SERIES_DAILY\./,
      'invalid_symbol',
    ],
    ['no symbol', { symbol: '' }, /Invalid API call/, 'invalid_symbol'],
  ])('refuses %s with HTTP 200 and JSON, CSV asked for or not', async (_what, parameters, words, answer) => {
    const simulator = await start()
    const { response, text } = await ask(simulator, { datatype: 'csv', ...parameters })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(text).toMatch(words)
    expect(simulator.arrivals().map((arrival) => arrival.answer)).toEqual([answer])
  })

  it('takes only the keys that it is told to', async () => {
    const simulator = await start({ validKeys: ['GOOD'] })
    expect((await ask(simulator)).text).toContain('invalid or missing')
    expect((await ask(simulator, { apikey: 'GOOD' })).text).toContain('Meta Data')
  })

  it('refuses full on the free plan, and only full', async () => {
    const simulator = await start({ plan: 'free', limits: { perSecond: 0, perMinute: 0, perDay: 0 } })
    expect((await ask(simulator, { outputsize: 'full' })).text).toContain(
      'outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint',
    )
    expect((await ask(simulator)).text).toContain('Meta Data')
  })

  it('refuses what exceeds a limit in the words of that limit, the daily one with the key in them', async () => {
    const windows = { secondMs: 3_600_000, minuteMs: 3_600_000, dayMs: 3_600_000 }
    const none = { perSecond: 0, perMinute: 0, perDay: 0 }
    for (const [limits, words, answer] of [
      [{ ...none, perSecond: 1 }, /spreading out .*1 request per second/, 'burst_limit'],
      [{ ...none, perMinute: 1 }, /Minute-level rate limit/, 'minute_limit'],
      [
        { ...none, perDay: 1 },
        /API key as SECRETKEY and our standard API rate limit is 1 requests per day/,
        'daily_limit',
      ],
    ] as const) {
      const simulator = await start({ limits, windows })
      await ask(simulator)
      expect((await ask(simulator)).text).toMatch(words)
      expect(simulator.arrivals().map((arrival) => arrival.answer)).toEqual(['series', answer])
    }
  })

  it('counts a request towards the limits whatever its answer, but for one with a wrong key', async () => {
    const simulator = await start({
      limits: { perSecond: 0, perMinute: 0, perDay: 2 },
      windows: { secondMs: 1, minuteMs: 1, dayMs: 3_600_000 },
    })
    simulator.rule({ symbol: 'IBM', answer: { kind: 'status', status: 503 } })
    await ask(simulator, { apikey: 'invalid', symbol: 'MSFT' })
    await ask(simulator, { symbol: 'NOSUCH' })
    await ask(simulator)
    await ask(simulator, { symbol: 'AAPL' })
    expect(simulator.arrivals().map((arrival) => arrival.answer)).toEqual([
      'invalid_key',
      'invalid_symbol',
      'status:503',
      'daily_limit',
    ])
  })

  it('logs arrivals in order with their time, and never the key', async () => {
    const seen: unknown[] = []
    const simulator = await start({ onArrival: (arrival) => seen.push(arrival) })
    const from = Date.now()
    for (const symbol of ['IBM', 'BRK-B', 'BC/PB', 'NYCB- PR-U']) await ask(simulator, { symbol })
    const arrivals = simulator.arrivals()
    expect(arrivals.map(({ symbol }) => symbol)).toEqual(['IBM', 'BRK-B', 'BC/PB', 'NYCB- PR-U'])
    expect(arrivals.every(({ at }, index) => at > (arrivals[index - 1]?.at ?? from - 50))).toBe(true)
    expect(JSON.stringify(arrivals)).not.toContain('SECRETKEY')
    expect(seen).toEqual(arrivals)
  })

  it('is told rules and asked for arrivals by HTTP', async () => {
    const simulator = await start()
    const put = (body: string) => fetch(`${simulator.url}/simulator/rules`, { method: 'PUT', body })
    const rules = JSON.stringify([{ symbol: 'IBM', answer: { kind: 'status', status: 500 } }])
    expect((await put(rules)).status).toBe(200)
    expect((await ask(simulator)).response.status).toBe(500)
    const refused = await put('[{"answer":{"kind":"explode"}}]')
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('answer.kind')])
    expect((await put('{')).status).toBe(400)
    expect((await ask(simulator)).response.status).toBe(500)
    await fetch(`${simulator.url}/simulator/rules`, { method: 'DELETE' })
    expect((await ask(simulator)).response.status).toBe(200)
    const arrivals = await (await fetch(`${simulator.url}/simulator/arrivals`)).json()
    expect(arrivals).toEqual(simulator.arrivals())
    expect((await fetch(`${simulator.url}/healthz`)).status).toBe(200)
    expect((await fetch(`${simulator.url}/elsewhere`)).status).toBe(404)
    expect((await fetch(`${simulator.url}/query`, { method: 'POST' })).status).toBe(405)
  })

  it('says that a port is taken by the code of the error', async () => {
    const { url } = await start()
    await expect(startSimulator({ port: Number(new URL(url).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
  })

  it('closes at once while an answer is waiting, and may be closed twice', async () => {
    const simulator = await start({ latencyMs: 3_600_000 })
    const waiting = ask(simulator).catch((error: unknown) => String(error))
    await expect.poll(() => simulator.arrivals().length).toBe(1)
    await simulator.close()
    expect(await waiting).toBe('TypeError: fetch failed')
    await simulator.close()
  })
})
