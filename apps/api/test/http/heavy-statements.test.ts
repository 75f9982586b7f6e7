import { waitFor } from '@stockpile/test-harness/process'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HEAVY_AT_ONCE, isHeavy } from '../../src/http/heavy-statements.js'
import { january, problemOf, store, useApp } from '../app.js'

const EVERYTHING = 'symbols=IBM,AAPL&start_date=0001-01-01&end_date=9999-12-31'

describe('a heavy statement', () => {
  const context = useApp()
  const get = (url: string) => context.app.inject(url)
  const statements = async () => {
    const [row] = await context.db.execute<{ running: number }>(
      "SELECT count(*)::int AS running FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return row?.running ?? 0
  }
  let etag = ''
  let letGo = () => {}
  let locked: Promise<unknown> = Promise.resolve()
  beforeEach(async () => {
    await store(context.db, 'IBM', january())
    await store(context.db, 'AAPL', january())
    etag = String((await get('/api/financial_data?symbol=IBM')).headers['etag'])
    const isLocked = new Promise<void>((resolve) => {
      // Statements that add up rows of this table hang; pages of other tables go on.
      locked = context.db.transaction(async (tx) => {
        await tx.execute('LOCK TABLE financial_data')
        resolve()
        await new Promise<void>((go) => {
          letGo = go
        })
      })
    })
    await isLocked
  })
  afterEach(async () => {
    letGo()
    await locked
  })

  test('holds no page up, however many are asked for, and those beyond what may wait are refused', async () => {
    const heavy = Array.from({ length: HEAVY_AT_ONCE + 8 + 2 }, () => get(`/api/statistics?${EVERYTHING}`))
    await waitFor(async () => (await statements()) === HEAVY_AT_ONCE, { deadlineMs: 5_000 })
    // All but two of the others wait.
    const refused = await Promise.race(heavy)
    expect(problemOf(refused, 429).detail).toContain('of your address')
    expect(refused.headers['retry-after']).toBe('5')
    // A 304 needs no locked table: its answer shows that the pool of pages is free.
    const page = { url: '/api/financial_data?symbol=IBM', headers: { 'if-none-match': etag } }
    expect((await context.app.inject(page)).statusCode).toBe(304)
    letGo()
    const answers = await Promise.all(heavy)
    const statuses = answers.map((answer) => answer.statusCode).toSorted((one, other) => one - other)
    expect(statuses).toStrictEqual([...Array.from({ length: HEAVY_AT_ONCE + 8 }, () => 200), 429, 429])
  })

  test('is as well a question for what was stored at an instant', async () => {
    const asOf = `/api/financial_data?symbols=IBM,AAPL&as_of=${new Date().toISOString()}`
    const heavy = Array.from({ length: 4 }, () => get(asOf))
    await waitFor(async () => (await statements()) > 0, { deadlineMs: 5_000 })
    expect(await statements()).toBeLessThanOrEqual(HEAVY_AT_ONCE)
    letGo()
    for (const answer of await Promise.all(heavy))
      expect(answer.json()).toMatchObject({ info: { error: '' } })
  })

  test('that has waited too long is 503 with Retry-After', async () => {
    const heavy = Array.from({ length: HEAVY_AT_ONCE + 1 }, () => get(`/api/statistics?${EVERYTHING}`))
    const answer = await Promise.race(heavy)
    expect(problemOf(answer, 503).detail).toContain('are waiting for their turn')
    expect(answer.headers['retry-after']).toBe('5')
  })
})

test.each([
  [1, '0001-01-01', '9999-12-31', false],
  [1, undefined, undefined, false],
  [2, '1999-11-01', '2026-11-27', true],
  [10, '2023-01-01', '2025-08-31', false],
  [100, '2026-08-20', '2026-11-27', false],
  [100, '2026-08-19', '2026-11-27', true],
  [100, '2026-11-27', undefined, true],
])('%s symbols from %s until %s are heavy: %s', (symbols, startDate, endDate, heavy) => {
  expect(isHeavy({ symbols, startDate, endDate })).toBe(heavy)
})
