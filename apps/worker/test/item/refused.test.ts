import { listItems } from '@stockpile/db/run-items'
import { describe, expect, test } from 'vitest'
import { symbolNames, useSystem } from '../system.js'

const page = { limit: 100, offset: 0 }

describe('a key that is not entitled to the full history', () => {
  const system = useSystem({
    simulator: { plan: 'free', limits: { perSecond: 0, perMinute: 0, perDay: 0 } },
    // Nothing here is to be tried again; who waited for that would wait for long.
    retryAfterMs: 60_000,
  })
  const premium = { ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' }

  test('is told so once, and gets the newest rows of every symbol whose outputsize is left to us', async () => {
    await system.work(premium)
    const id = await system.ingest(symbolNames(8))
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 8 } })
    const arrivals = system.simulator.arrivals()
    expect(arrivals.filter((one) => one.outputsize === 'full')).toHaveLength(1)
    expect(arrivals).toHaveLength(9)
    const { items } = await listItems(system.db, id, page)
    expect(items.every((item) => item.historyLimited && item.outputsize === 'compact')).toBe(true)
    const full = await system.ingest(symbolNames(3, 'FULL'), { outputsize: 'full' })
    expect(await system.run(full)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'entitlement', count: 3 }],
    })
    expect(system.simulator.arrivals()).toHaveLength(9)
    expect(system.logs.join('\n')).not.toContain('cannot be reached')
  })
})

describe('a symbol that is unknown with the full history', () => {
  const system = useSystem()

  test('is asked for with the newest rows once, and says that its history is limited', async () => {
    system.simulator.rule({ outputsize: 'full', answer: { kind: 'refusal', refusal: 'invalid_symbol' } })
    await system.work({ ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' })
    const id = await system.ingest(['IBM'], { outputsize: 'full' })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', rows: { inserted: 100 } })
    expect((await listItems(system.db, id, page)).items).toMatchObject([
      { historyLimited: true, attempts: 0 },
    ])
  })
})

describe('a symbol whose quota is always refused', () => {
  const system = useSystem({ windowsMs: { second: 100, minute: 100, day: 100 } })

  test('ends after seven days with the refusal as its reason, and holds nobody for ever', async () => {
    system.simulator.rule({ symbol: 'IBM', answer: { kind: 'refusal', refusal: 'minute_limit' } })
    await system.work({ WORKER_CONCURRENCY: '1' })
    const id = await system.ingest(['IBM', 'AAPL'])
    expect(await system.run(id)).toMatchObject({
      status: 'partial',
      counts: { succeeded: 1, failed: 1 },
      failures: [{ class: 'minute_limit', count: 1 }],
    })
    const asked = system.simulator.arrivals().filter((one) => one.symbol === 'IBM')
    expect((asked.at(-1)?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThan(7 * 100)
  })
})

describe('a single answer that asks to wait for days', () => {
  const system = useSystem()

  test('stops everything for a minute at most, and the run says what was asked for', async () => {
    const headers = { 'retry-after': '999999' }
    system.simulator.rule({ times: 1, answer: { kind: 'status', status: 429, headers } })
    await system.work()
    const id = await system.ingest(['IBM'])
    const { waiting } = await system.run(id, (run) => run.waiting !== null)
    expect(waiting).toMatchObject({ for: 'quota' })
    expect(waiting?.reason).toBe(
      'HTTP 429, Retry-After 999999 s, of which 60 s are kept. The server asks to slow down.',
    )
    expect(Date.parse(waiting?.until ?? '') - Date.now()).toBeLessThan(61_000)
  })
})
