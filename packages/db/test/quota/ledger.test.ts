import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import {
  discardRequest,
  isStillSlot,
  moveSlot,
  publishPlan,
  renewProbe,
  reserveRequest,
} from '../../src/quota/ledger.js'
import { pruneRequests } from '../../src/quota/request-days.js'
import { recordDailyRefusal } from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import { acceptKey, ledgerRequests, granted, letPass, requestOf } from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const DAY_MS = 86_401_000
const accepted = { outcome: 'accepted', answered: true, durationMs: 120, bytes: 8_000 }

describe('a reservation', () => {
  test('is one row in the ledger, and a slot at once while there is room', async () => {
    const { db } = connection
    await acceptKey(db)
    const reservation = await reserveRequest(db, requestOf({ itemId: 7 }))
    expect(reservation).toMatchObject({ granted: true, waitMs: 0, probe: false })
    expect(await ledgerRequests(db)).toMatchObject([{ outcome: null, itemId: 7 }])
  })

  test('beyond what a day allows is refused, and says when a request of the last day leaves it', async () => {
    const { db } = connection
    await acceptKey(db)
    for (let sent = 0; sent < 25; sent++) await granted(db)
    const reservation = await reserveRequest(db, requestOf())
    expect(reservation).toMatchObject({ granted: false, reason: 'day' })
    expect(reservation.waitMs).toBeGreaterThan(DAY_MS - 10_000)
    expect(reservation.waitMs).toBeLessThanOrEqual(DAY_MS)
    expect(await ledgerRequests(db)).toHaveLength(25)
    await letPass(db, '1 day 1 s')
    expect(await reserveRequest(db, requestOf())).toMatchObject({ granted: true, waitMs: 0 })
  })

  test('is made ahead by a second at most, and names the limit that binds', async () => {
    const { db } = connection
    await acceptKey(db)
    const limits = limitsFor({ perSecond: 1, perMinute: 2, perDay: 25 })
    await granted(db, { limits })
    expect(await reserveRequest(db, requestOf({ limits }))).toMatchObject({
      granted: false,
      reason: 'second',
    })
    const second = await granted(db, { limits, aheadMs: 1_500 })
    expect(second.waitMs).toBeGreaterThan(1_000)
    expect(second.waitMs).toBeLessThanOrEqual(1_400)
    expect(await reserveRequest(db, requestOf({ limits, aheadMs: 1_500 }))).toMatchObject({
      granted: false,
      reason: 'minute',
    })
  })

  test('that probes keeps others waiting only as long as it is renewed', async () => {
    const { db } = connection
    const { id } = await granted(db)
    expect(await reserveRequest(db, requestOf())).toMatchObject({ reason: 'probing' })
    await renewProbe(db, id)
    await letPass(db, '5 s')
    expect(await reserveRequest(db, requestOf())).toMatchObject({ reason: 'probing' })
    await letPass(db, '2 s')
    await renewProbe(db, id)
    expect(await reserveRequest(db, requestOf())).toMatchObject({ granted: true, probe: true })
  })

  test('that was waited for is a slot no more when one before it left so late that a window would hold too many', async () => {
    const { db } = connection
    await acceptKey(db)
    const limits = limitsFor({ perSecond: 2, perMinute: 0, perDay: 0 })
    const first = await granted(db, { limits })
    await granted(db, { limits })
    const third = await granted(db, { limits, aheadMs: 5_000 })
    expect(await isStillSlot(db, third.id, limits)).toBe(true)
    await moveSlot(db, first.id, 150)
    expect(await isStillSlot(db, third.id, limits)).toBe(false)
    await discardRequest(db, third.id)
    const again = await granted(db, { limits, aheadMs: 5_000 })
    expect(await isStillSlot(db, again.id, limits)).toBe(true)
    const at = new Map((await ledgerRequests(db)).map(({ id, slotAt }) => [id, slotAt]))
    expect((at.get(again.id) ?? 0) - (at.get(first.id) ?? 0)).toBeGreaterThanOrEqual(1_000)
    expect(await isStillSlot(db, third.id, limits)).toBe(false)
  })

  test('with another key finds the same ledger', async () => {
    const { db } = connection
    await acceptKey(db, 'key-1')
    await acceptKey(db, 'key-2')
    for (let sent = 0; sent < 25; sent++) await granted(db)
    expect(await reserveRequest(db, requestOf({ fingerprint: 'key-2' }))).toMatchObject({ reason: 'day' })
  })

  test('goes by the clock of the database alone', async () => {
    const { db } = connection
    await acceptKey(db)
    await granted(db)
    const [clock] = await db.execute<{ now: number }>(
      sql`SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
    )
    const [request] = await ledgerRequests(db)
    expect(Math.abs((request?.slotAt ?? 0) - (clock?.now ?? 0))).toBeLessThan(1_000)
  })

  test('is refused in a transaction that would not see what others reserved', async () => {
    const asked = connection.db.transaction((tx) => reserveRequest(tx, requestOf()), {
      isolationLevel: 'repeatable read',
    })
    await expect(asked).rejects.toMatchObject({ cause: { message: 'the quota ledger needs READ COMMITTED' } })
  })
})

describe('a slot', () => {
  test('that is discarded before its request was sent is free again', async () => {
    const { db } = connection
    await acceptKey(db)
    const limits = limitsFor({ perSecond: 0, perMinute: 0, perDay: 1 })
    const { id } = await granted(db, { limits })
    await discardRequest(db, id)
    expect(await ledgerRequests(db)).toEqual([])
    expect(await reserveRequest(db, requestOf({ limits }))).toMatchObject({ granted: true })
  })

  test('whose request was concluded cannot be discarded', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await concludeRequest(db, id, accepted)
    await discardRequest(db, id)
    expect(await ledgerRequests(db)).toMatchObject([{ id, outcome: 'accepted' }])
  })

  test('whose owner is never heard of again stays spent', async () => {
    const { db } = connection
    await acceptKey(db)
    const limits = limitsFor({ perSecond: 0, perMinute: 0, perDay: 1 })
    await granted(db, { limits })
    await letPass(db, '23 hours')
    expect(await reserveRequest(db, requestOf({ limits }))).toMatchObject({ reason: 'day' })
  })

  test('keeps its first conclusion', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await concludeRequest(db, id, accepted)
    await concludeRequest(db, id, { outcome: 'timeout', answered: true, durationMs: 30_000, bytes: 0 })
    const rows = await db.execute(
      sql`SELECT outcome, duration_ms, bytes::int FROM provider_requests WHERE concluded_at IS NOT NULL`,
    )
    expect([...rows]).toEqual([{ outcome: 'accepted', duration_ms: 120, bytes: 8_000 }])
  })
})

describe('pruning', () => {
  test('sums what no window holds any more by day and outcome, and leaves the rest', async () => {
    const { db } = connection
    await acceptKey(db)
    for (const outcome of ['accepted', 'accepted', 'timeout', null]) {
      const { id } = await granted(db)
      if (outcome !== null)
        await concludeRequest(db, id, { outcome, answered: true, durationMs: 5, bytes: 100 })
    }
    await db.execute(sql`UPDATE provider_requests SET slot_at = '2026-03-01 23:59:59.9Z'`)
    await granted(db)
    await letPass(db, '24 hours 30 minutes')
    expect(await pruneRequests(db)).toBe(4)
    expect(await pruneRequests(db)).toBe(0)
    const days = await db.execute(
      sql`SELECT day::text, outcome, requests::int, bytes::int FROM provider_request_days ORDER BY outcome`,
    )
    const day = '2026-02-28'
    expect([...days]).toEqual([
      { day, outcome: 'accepted', requests: 2, bytes: 200 },
      { day, outcome: 'timeout', requests: 1, bytes: 100 },
      { day, outcome: 'unheard', requests: 1, bytes: 0 },
    ])
    expect(await ledgerRequests(db)).toHaveLength(1)
  })

  test('keeps an hour and the longest window in force, be it what the provider said', async () => {
    const { db } = connection
    const premium = limitsFor({ perSecond: 30, perMinute: 1_200, perDay: 0 })
    await publishPlan(db, { plan: '1200', limits: premium })
    await db.execute(sql`
      INSERT INTO provider_requests (slot_at, outcome)
      SELECT now() - n * interval '10 minutes', 'accepted' FROM generate_series(1, 12) AS n`)
    await recordDailyRefusal(db, 'key-1', {
      class: 'daily_limit',
      limits: premium,
      saidPerDay: 25,
      detail: '25 requests per day',
    })
    expect(await pruneRequests(db)).toBe(0)
    await db.execute(sql`UPDATE provider_keys SET said_per_day = NULL`)
    expect(await pruneRequests(db)).toBe(6)
    await publishPlan(db, { plan: 'free', limits: limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 }) })
    await letPass(db, '20 hours')
    expect(await pruneRequests(db)).toBe(0)
  })

  test('by many at once counts each request once', async () => {
    const { db } = connection
    await db.execute(sql`
      INSERT INTO provider_requests (slot_at, outcome, bytes)
      SELECT now() - interval '3 days' - n * interval '1 minute', (ARRAY['accepted', 'timeout', 'foreign'])[n % 3 + 1], 1
        FROM generate_series(1, 25000) AS n`)
    let last = -1
    while (last !== 0) {
      const pruned = await Promise.all(Array.from({ length: 4 }, () => pruneRequests(db)))
      last = Math.max(...pruned)
    }
    const [sums] = await db.execute(
      sql`SELECT sum(requests)::int AS requests, sum(bytes)::int AS bytes FROM provider_request_days`,
    )
    expect(sums).toEqual({ requests: 25_000, bytes: 25_000 })
    expect(await ledgerRequests(db)).toEqual([])
  })

  test('keeps whatever a limit in force longer than a day still needs', async () => {
    const { db } = connection
    await acceptKey(db)
    const limits = limitsFor(
      { perSecond: 0, perMinute: 0, perDay: 1 },
      { second: 1_000, minute: 60_000, day: 7 * 86_400_000 },
    )
    await publishPlan(db, { plan: 'free', limits })
    await granted(db, { limits })
    await letPass(db, '6 days')
    expect(await pruneRequests(db)).toBe(0)
    expect(await reserveRequest(db, requestOf({ limits }))).toMatchObject({ reason: 'day' })
  })
})

test('with dead rows at its end and 100,000 in it, the ledger answers within some milliseconds', async () => {
  const { db } = connection
  await acceptKey(db)
  await granted(db)
  const limits = limitsFor({ perSecond: 20, perMinute: 1_200, perDay: 0 })
  await db.execute(sql`
    INSERT INTO provider_requests (slot_at, outcome)
    SELECT now() - n * interval '60 ms', 'accepted' FROM generate_series(1, 100000) AS n`)
  const startedAt = performance.now()
  for (let asked = 0; asked < 20; asked++) {
    const { id } = await granted(db, { limits, aheadMs: 5_000 })
    await discardRequest(db, id)
  }
  expect((performance.now() - startedAt) / 20).toBeLessThan(20 * slowness())
})
