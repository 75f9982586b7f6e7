import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import type { Limit } from '@stockpile/domain/limit'
import { takeItem } from '../../src/runs/items.js'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { pruneRequests } from '../../src/quota/request-days.js'
import { publishPlan, reserveRequest } from '../../src/quota/ledger.js'
import { blockUntil, recordDailyRefusal, refuseAccess } from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import { readCauses, providerStatus } from '../../src/operations/causes.js'
import type { ProviderStatus } from '@stockpile/domain/cause'
import { readQuota } from '../../src/quota/quota-report.js'
import { forecastRuns } from '../../src/quota/run-forecast.js'
import { cancelRun, createRun } from '../../src/runs/runs.js'
import { getRun } from '../../src/runs/run-status.js'
import { noteWorker, removeWorker } from '../../src/operations/workers.js'
import { acceptKey, dailyLimits, granted, letPass, liveWorker, requestOf } from './ledger-setup.js'
import { runOf, useConnection } from '../database.js'

const connection = useConnection()
const free = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
const symbols = (count: number, prefix = 'S') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)
/** From now, in milliseconds. */
const until = (instant: string | null | undefined) => Date.parse(instant ?? '') - Date.now()
const DAY_MS = 86_401_000

/** As the start of a worker, whose key was `key-1` from the first. */
async function startWorker({ plan, limits }: { plan: string; limits: readonly Limit[] }) {
  await publishPlan(connection.db, { plan, limits })
  return liveWorker(connection.db, { plan, limits, keyFingerprint: 'key-1' })
}

async function forecastsOf(ids: readonly string[]) {
  const runs = await Promise.all(ids.map((id) => getRun(connection.db, id)))
  return forecastRuns(
    connection.db,
    runs.filter((run) => run !== null),
  )
}

async function forecastOf(id: string): Promise<string | null | undefined> {
  return (await forecastsOf([id])).get(id)?.at
}

async function readProviderStatus(): Promise<ProviderStatus> {
  return providerStatus(await readCauses(connection.db))
}

describe('the forecast of a run', () => {
  test('of 500 symbols at 25 a day is 19 days, before the first request is spent', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: free })
    const { id } = await createRun(db, runOf(symbols(500)))
    const done = await forecastOf(id)
    expect(Math.abs(until(done) - (19 * DAY_MS + 24 * 1_400))).toBeLessThan(5_000)
    const quota = await readQuota(db)
    expect(quota).toMatchObject({
      itemsWaiting: 500,
      plan: 'free',
      livingPlans: ['free'],
      contradiction: null,
    })
    expect(Math.abs(until(quota.backlogDone.at) - until(done))).toBeLessThan(5_000)
  })

  test('is null until a worker said what the plan is, and while the key is refused', async () => {
    const { db } = connection
    const { id } = await createRun(db, runOf(['IBM']))
    expect(await forecastOf(id)).toBeNull()
    const worker = await startWorker({ plan: 'free', limits: free })
    expect(await forecastOf(id)).not.toBeNull()
    const { id: request } = await granted(db)
    await refuseAccess(db, request, { class: 'invalid_key', detail: 'No.' })
    expect(await forecastOf(id)).toBeNull()
    expect((await forecastsOf([id])).get(id)?.unknownBecause).toBe('No.')
    await letPass(db, '2 hours')
    await noteWorker(db, { ...worker, keyFingerprint: 'key-2' })
    expect(await forecastOf(id)).not.toBeNull()
  })

  test('counts what is ahead: a higher priority, or the same and older', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    const low = await createRun(db, runOf(symbols(25, 'L'), { priority: 'low' }))
    const first = await createRun(db, runOf(symbols(25, 'A')))
    const second = await createRun(db, runOf(symbols(25, 'B')))
    const high = await createRun(db, runOf(['IBM'], { priority: 'high' }))
    const forecasts = await forecastsOf([low.id, first.id, second.id, high.id])
    const days = [high, first, second, low].map(({ id }) =>
      Math.floor(until(forecasts.get(id)?.at) / DAY_MS + 0.5),
    )
    expect(days).toEqual([0, 1, 2, 3])
  })

  test('counts no request twice whose item is still running', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    await acceptKey(db)
    const { id, items } = await createRun(db, runOf(symbols(25)))
    for (const item of items.slice(0, 20)) {
      await takeItem(db, item.id)
      const request = await granted(db, { itemId: item.id })
      if (item.id % 2 === 0)
        await concludeRequest(db, request.id, {
          outcome: 'accepted',
          answered: true,
          durationMs: 1,
          bytes: 1,
        })
    }
    expect(until(await forecastOf(id))).toBeLessThan(10_000)
  })

  test('is a second away at least, whether the only request is still to be sent or was sent before', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    await acceptKey(db)
    const { id, items } = await createRun(db, runOf(['IBM']))
    const aheadMs = async () => {
      const { backlogDone } = await readQuota(db)
      const run = until(await forecastOf(id))
      return [run, until(backlogDone.at)]
    }
    for (const ms of await aheadMs()) expect(ms).toBeGreaterThan(1_000)
    const [item] = items
    await takeItem(db, item?.id ?? 0)
    await granted(db, { itemId: item?.id ?? 0 })
    await letPass(db, '30 seconds')
    for (const ms of await aheadMs()) expect(ms).toBeGreaterThan(1_000)
  })

  test('counts a request again that was refused or never heard of', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    await acceptKey(db)
    const { id, items } = await createRun(db, runOf(symbols(25)))
    const [item] = items
    await takeItem(db, item?.id ?? 0)
    await granted(db, { itemId: item?.id ?? 0 })
    expect(until(await forecastOf(id))).toBeLessThan(10_000)
    await letPass(db, '2 minutes')
    expect(until(await forecastOf(id))).toBeGreaterThan(DAY_MS - 200_000)
  })

  test('begins when a block ends', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    await blockUntil(db, 'key-1', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    const { id } = await createRun(db, runOf(['IBM']))
    expect(Math.abs(until(await forecastOf(id)) - 60_000)).toBeLessThan(5_000)
  })

  test('is not made for runs that are finished, cancelled or unknown', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    const { id } = await createRun(db, runOf(['IBM']))
    await cancelRun(db, id)
    expect(await forecastsOf([id, '00000000-0000-7000-8000-000000000000'])).toEqual(
      new Map([[id, { at: null, unknownBecause: null }]]),
    )
    expect(await forecastRuns(db, [])).toEqual(new Map())
  })

  test('behind 100,000 symbols takes less than a second', async () => {
    const { db } = connection
    await startWorker({ plan: '75', limits: limitsFor({ perSecond: 10, perMinute: 75, perDay: 0 }) })
    for (let run = 0; run < 10; run++) await createRun(db, runOf(symbols(10_000)))
    const { id } = await createRun(db, runOf(['IBM'], { priority: 'low' }))
    await db.execute(sql`ANALYZE ingest_items, ingest_runs`)
    const startedAt = performance.now()
    const done = await forecastOf(id)
    expect(performance.now() - startedAt).toBeLessThan(1_000 * slowness())
    // 100,001 requests are 1,333 minutes, each a margin of 250 ms late.
    expect(until(done) / 60_250).toBeCloseTo(1_333, 0)
  })
})

describe('the report', () => {
  test('says of each limit what is used, what remains and when it next frees', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 0, perMinute: 3, perDay: 25 })
    await startWorker({ plan: 'free', limits })
    await acceptKey(db)
    for (let sent = 0; sent < 2; sent++) await granted(db, { limits })
    await letPass(db, '1 hour')
    for (let sent = 0; sent < 3; sent++) await granted(db, { limits })
    const { limits: usage } = await readQuota(db)
    expect(usage).toMatchObject([
      { name: 'minute', max: 3, windowMs: 60_000, used: 3, remaining: 0 },
      { name: 'day', max: 25, windowMs: 86_400_000, used: 5, remaining: 20, nextFreesAt: null },
    ])
    expect(Math.abs(until(usage[0]?.nextFreesAt) - 60_250)).toBeLessThan(5_000)
  })

  test('says what blocks, until when and why, and no longer when it has ended', async () => {
    const { db } = connection
    await startWorker({ plan: 'free', limits: dailyLimits })
    await blockUntil(db, 'key-2', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    expect((await readQuota(db)).blocked).toBeNull()
    await blockUntil(db, 'key-1', { class: 'burst_limit', detail: 'Too fast.', ms: 60_000 })
    const { blocked } = await readQuota(db)
    expect(blocked).toMatchObject({ class: 'burst_limit', detail: 'Too fast.' })
    expect(Math.abs(until(blocked?.until) - 60_000)).toBeLessThan(5_000)
    await letPass(db, '2 minutes')
    expect((await readQuota(db)).blocked).toBeNull()
  })

  test('says that the provider contradicts the plan, while that holds', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 0, perMinute: 75, perDay: 0 })
    await startWorker({ plan: '75', limits })
    await recordDailyRefusal(db, 'key-1', { limits, saidPerDay: 25, detail: '25 requests per day' })
    const quota = await readQuota(db)
    expect(quota.contradiction).toMatchObject({ perDay: 25, detail: '25 requests per day', planned: limits })
    expect(quota.limits).toMatchObject([
      { name: 'minute', used: 25 },
      { name: 'day', max: 25, used: 25, remaining: 0 },
    ])
    await letPass(db, '1 day 2 s')
    const later = await readQuota(db)
    expect(later.contradiction).toBeNull()
    expect(later.limits).toMatchObject([{ name: 'minute', used: 0 }])
  })

  test('shows the key that was asked with last, shortened, and what it may have', async () => {
    const { db } = connection
    await acceptKey(db, 'old-fingerprint')
    const fingerprint = 'b5bb9d8014a0f9b1d61e21e796d78dcc'
    const full = await granted(db, { fingerprint, outputsize: 'full' })
    await refuseAccess(db, full.id, { class: 'entitlement', detail: 'Premium only.' })
    const compact = await granted(db, { fingerprint })
    await concludeRequest(db, compact.id, { outcome: 'accepted', answered: true, durationMs: 1, bytes: 1 })
    const { key } = await readQuota(db)
    expect(key).toMatchObject({
      fingerprint: 'b5bb9d80',
      refused: false,
      access: [
        { outputsize: 'compact', state: 'accepted', class: null, retryAt: null },
        { outputsize: 'full', state: 'refused', class: 'entitlement', detail: 'Premium only.' },
      ],
    })
    expect(JSON.stringify(key)).not.toContain(fingerprint)
  })

  test('says that the key is refused until an answer is accepted', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await refuseAccess(db, id, { class: 'invalid_key', detail: 'No.' })
    const refused = await readQuota(db)
    expect(refused.key).toMatchObject({ refused: true, access: [{ state: 'refused', class: 'invalid_key' }] })
    expect(until(refused.key?.access[0]?.retryAt)).toBeGreaterThan(3_500_000)
    await letPass(db, '61 minutes')
    const { id: probe } = await granted(db)
    expect((await readQuota(db)).key?.refused).toBe(true)
    await concludeRequest(db, probe, { outcome: 'accepted', answered: true, durationMs: 1, bytes: 1 })
    expect((await readQuota(db)).key?.refused).toBe(false)
  })

  test('goes by the key that a slot was asked for with last, also back to one of before', async () => {
    const { db } = connection
    const shown = async () => (await readQuota(db)).key
    const { id: good } = await granted(db, { fingerprint: 'good' })
    await concludeRequest(db, good, { outcome: 'accepted', answered: true, durationMs: 1, bytes: 1 })
    const { id: bad } = await granted(db, { fingerprint: 'bad' })
    await refuseAccess(db, bad, { class: 'invalid_key', detail: 'No.' })
    expect(await shown()).toMatchObject({ fingerprint: 'bad', refused: true })
    await granted(db, { fingerprint: 'good' })
    expect(await shown()).toMatchObject({ fingerprint: 'good', refused: false })
    // The worker of this probe is lost: its lease ends later than anything that is known of the other keys.
    await granted(db, { fingerprint: 'probed' })
    expect(await shown()).toMatchObject({ fingerprint: 'probed', refused: false })
    await reserveRequest(db, requestOf({ fingerprint: 'bad' }))
    expect(await shown()).toMatchObject({ fingerprint: 'bad', refused: true })
  })

  test('calls no key refused that nothing could be asked with yet', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await refuseAccess(db, id, { class: 'invalid_key', detail: 'No.' })
    await blockUntil(db, 'key-2', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    await reserveRequest(db, requestOf({ fingerprint: 'key-2' }))
    expect((await readQuota(db)).key).toEqual({
      fingerprint: 'key-2',
      missing: false,
      refused: false,
      access: [],
    })
  })

  test('counts each request of the last 30 days once, in the ledger or pruned from it', async () => {
    const { db } = connection
    await db.execute(sql`
      INSERT INTO provider_requests (slot_at, outcome, bytes)
      SELECT now() - n * interval '1 hour', CASE WHEN n % 24 = 0 THEN 'timeout' ELSE 'accepted' END, 10
        FROM generate_series(1, 40 * 24) AS n`)
    await db.execute(sql`INSERT INTO provider_requests (slot_at) VALUES (now())`)
    const before = (await readQuota(db)).days
    expect(await pruneRequests(db)).toBeGreaterThan(900)
    const { days } = await readQuota(db)
    expect(days).toEqual(before)
    expect(new Set(days.map((one) => one.day)).size).toBe(30)
    expect(days.find((one) => one.outcome === 'unheard')).toMatchObject({ requests: 1, bytes: 0 })
    const [second] = days.filter((one) => one.outcome === 'accepted').slice(1)
    expect(second).toMatchObject({ requests: 23, bytes: 230 })
  })
})

describe('the status of the provider', () => {
  test('waits for the quota while a refusal blocks, or the day is spent, not for the gap between two requests', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 1, perMinute: 0, perDay: 2 })
    await startWorker({ plan: 'free', limits })
    await acceptKey(db)
    await granted(db, { limits })
    expect(await readProviderStatus()).toBe('up')
    await letPass(db, '2 s')
    await granted(db, { limits })
    expect(await readProviderStatus()).toBe('waiting_quota')
    await letPass(db, '1 day 2 s')
    expect(await readProviderStatus()).toBe('up')
    await blockUntil(db, 'key-1', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    expect(await readProviderStatus()).toBe('waiting_quota')
  })

  test('waits for a key that no living worker has', async () => {
    const { db } = connection
    const worker = await startWorker({ plan: 'free', limits: dailyLimits })
    const { id } = await createRun(db, runOf(['IBM']))
    const keyProblem = 'There is no API key: the key file k does not exist.'
    await noteWorker(db, { ...worker, keyFingerprint: null, keyProblem })
    expect(await readProviderStatus()).toBe('waiting_key')
    expect(await forecastOf(id)).toBeNull()
    expect(await readQuota(db)).toMatchObject({
      key: { fingerprint: null, missing: true, refused: false, access: [] },
      backlogDone: { at: null, unknownBecause: keyProblem },
    })
    const other = await liveWorker(db, { keyFingerprint: 'key-1' })
    expect(await readProviderStatus()).toBe('up')
    expect((await readQuota(db)).key).toMatchObject({ missing: false })
    await removeWorker(db, other.id)
    await noteWorker(db, worker)
    expect(await readProviderStatus()).toBe('up')
    expect(await forecastOf(id)).not.toBeNull()
  })

  test('waits for a key until another one is tried', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await refuseAccess(db, id, { class: 'demo_key', detail: 'No.' })
    expect(await readProviderStatus()).toBe('waiting_key')
    // While no worker lives, the key that was asked with last is what is known.
    await granted(db, { fingerprint: 'key-2' })
    expect(await readProviderStatus()).toBe('unknown')
    const worker = await liveWorker(db, { keyFingerprint: 'key-1' })
    expect(await readProviderStatus()).toBe('waiting_key')
    await noteWorker(db, { ...worker, keyFingerprint: 'key-2' })
    expect(await readProviderStatus()).toBe('up')
  })
})
