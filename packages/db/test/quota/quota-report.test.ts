import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { blockUntil, recordDailyRefusal, refuseAccess } from '../../src/quota/ledger-refusals.js'
import { reserveRequest } from '../../src/quota/ledger.js'
import { limitsFor } from '../../src/quota/limits.js'
import { readQuota } from '../../src/quota/quota-report.js'
import { pruneRequests } from '../../src/quota/request-days.js'
import { acceptKey, dailyLimits, granted, letPass, msUntil, requestOf, startWorker } from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()

describe('the report', () => {
  test('says of each limit what is used, what remains and when it next frees', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 0, perMinute: 3, perDay: 25 })
    await startWorker(db, { plan: 'free', limits })
    await acceptKey(db)
    for (let sent = 0; sent < 2; sent++) await granted(db, { limits })
    await letPass(db, '1 hour')
    for (let sent = 0; sent < 3; sent++) await granted(db, { limits })
    const { limits: usage } = await readQuota(db)
    expect(usage).toMatchObject([
      { name: 'minute', max: 3, windowMs: 60_000, used: 3, remaining: 0 },
      { name: 'day', max: 25, windowMs: 86_400_000, used: 5, remaining: 20, nextFreesAt: null },
    ])
    expect(Math.abs(msUntil(usage[0]?.nextFreesAt) - 60_250)).toBeLessThan(5_000)
  })

  test('says what blocks, until when and why, and no longer when it has ended', async () => {
    const { db } = connection
    await startWorker(db, { plan: 'free', limits: dailyLimits })
    await blockUntil(db, 'key-2', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    expect((await readQuota(db)).blocked).toBeNull()
    await blockUntil(db, 'key-1', { class: 'burst_limit', detail: 'Too fast.', ms: 60_000 })
    const { blocked } = await readQuota(db)
    expect(blocked).toMatchObject({ class: 'burst_limit', detail: 'Too fast.' })
    expect(Math.abs(msUntil(blocked?.until) - 60_000)).toBeLessThan(5_000)
    await letPass(db, '2 minutes')
    expect((await readQuota(db)).blocked).toBeNull()
  })

  test('says that the provider contradicts the plan, while that holds', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 0, perMinute: 75, perDay: 0 })
    await startWorker(db, { plan: '75', limits })
    await recordDailyRefusal(db, 'key-1', {
      class: 'daily_limit',
      limits,
      saidPerDay: 25,
      detail: '25 requests per day',
    })
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
    expect(msUntil(refused.key?.access[0]?.retryAt)).toBeGreaterThan(3_500_000)
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
    // The worker of this probe is lost, and the probe's lease ends later than anything that is known of the other keys.
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
