import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { noteWorker } from '../../src/operations/workers.js'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { blockUntil, refuseAccess } from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import { readQuota } from '../../src/quota/quota-report.js'
import { forecastRuns } from '../../src/quota/run-forecast.js'
import { takeItem } from '../../src/runs/items.js'
import { cancelRun, createRun } from '../../src/runs/runs.js'
import { getRun } from '../../src/runs/run-status.js'
import { acceptKey, dailyLimits, granted, letPass, msUntil, startWorker } from './ledger-setup.js'
import { runOf, useConnection } from '../database.js'

const connection = useConnection()
const free = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
const symbols = (count: number, prefix = 'S') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)
/** A day and its margin. */
const DAY_MS = 86_401_000

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

describe('the forecast of a run', () => {
  test('of 500 symbols at 25 a day is 19 days, before the first request is spent', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: free })
    const { id } = await createRun(db, runOf(symbols(500)))
    const done = await forecastOf(id)
    expect(Math.abs(msUntil(done) - (19 * DAY_MS + 24 * 1_400))).toBeLessThan(5_000)
    const quota = await readQuota(db)
    expect(quota).toMatchObject({
      itemsWaiting: 500,
      plan: 'free',
      livingPlans: ['free'],
      contradiction: null,
    })
    expect(Math.abs(msUntil(quota.backlogDone.at) - msUntil(done))).toBeLessThan(5_000)
  })

  test('is null until a worker said what the plan is, and while the key is refused', async () => {
    const { db } = connection
    const { id } = await createRun(db, runOf(['IBM']))
    expect(await forecastOf(id)).toBeNull()
    const worker = await startWorker(db, { plan: 'free', limits: free })
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
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    const low = await createRun(db, runOf(symbols(25, 'L'), { priority: 'low' }))
    const first = await createRun(db, runOf(symbols(25, 'A')))
    const second = await createRun(db, runOf(symbols(25, 'B')))
    const high = await createRun(db, runOf(['IBM'], { priority: 'high' }))
    const forecasts = await forecastsOf([low.id, first.id, second.id, high.id])
    const days = [high, first, second, low].map(({ id }) =>
      Math.floor(msUntil(forecasts.get(id)?.at) / DAY_MS + 0.5),
    )
    expect(days).toEqual([0, 1, 2, 3])
  })

  test('counts no request twice whose item is still running', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: dailyLimits })
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
    expect(msUntil(await forecastOf(id))).toBeLessThan(10_000)
  })

  test('is a second away at least, whether the only request is still to be sent or was sent before', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    await acceptKey(db)
    const { id, items } = await createRun(db, runOf(['IBM']))
    const aheadMs = async () => {
      const { backlogDone } = await readQuota(db)
      const run = msUntil(await forecastOf(id))
      return [run, msUntil(backlogDone.at)]
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
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    await acceptKey(db)
    const { id, items } = await createRun(db, runOf(symbols(25)))
    const [item] = items
    await takeItem(db, item?.id ?? 0)
    await granted(db, { itemId: item?.id ?? 0 })
    expect(msUntil(await forecastOf(id))).toBeLessThan(10_000)
    await letPass(db, '2 minutes')
    expect(msUntil(await forecastOf(id))).toBeGreaterThan(DAY_MS - 200_000)
  })

  test('begins when a block ends', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    await blockUntil(db, 'key-1', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    const { id } = await createRun(db, runOf(['IBM']))
    expect(Math.abs(msUntil(await forecastOf(id)) - 60_000)).toBeLessThan(5_000)
  })

  test('is not made for runs that are finished, cancelled or unknown', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    const { id } = await createRun(db, runOf(['IBM']))
    await cancelRun(db, id)
    expect(await forecastsOf([id, '00000000-0000-7000-8000-000000000000'])).toEqual(
      new Map([[id, { at: null, unknownBecause: null }]]),
    )
    expect(await forecastRuns(db, [])).toEqual(new Map())
  })

  test('behind 100,000 symbols takes less than a second', async () => {
    const { db } = connection
    await startWorker(db, { plan: '75', limits: limitsFor({ perSecond: 10, perMinute: 75, perDay: 0 }) })
    for (let run = 0; run < 10; run++) await createRun(db, runOf(symbols(10_000)))
    const { id } = await createRun(db, runOf(['IBM'], { priority: 'low' }))
    await db.execute(sql`ANALYZE ingest_items, ingest_runs`)
    const startedAt = performance.now()
    const done = await forecastOf(id)
    expect(performance.now() - startedAt).toBeLessThan(1_000 * slowness())
    // 100,001 requests are 1,333 minutes, each a margin of 250 ms late.
    expect(msUntil(done) / 60_250).toBeCloseTo(1_333, 0)
  })
})
