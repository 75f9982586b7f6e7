import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import type { Limit } from '@stockpile/domain/limit'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { discardRequest, publishPlan, reserveRequest } from '../../src/quota/ledger.js'
import {
  blockUntil,
  publishRefusals,
  recordDailyRefusal,
  refuseAccess,
} from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import {
  acceptKey,
  ledgerRequests,
  dailyLimits,
  granted,
  letPass,
  noLimits,
  requestOf,
} from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const HOUR_MS = 3_600_000
const detail = 'The API key is refused.'
const premium = limitsFor({ perSecond: 0, perMinute: 75, perDay: 0 })

const ask = (values: Parameters<typeof requestOf>[0] = {}) =>
  reserveRequest(connection.db, requestOf({ limits: noLimits, ...values }))

/** Reserves a request and concludes it with this outcome. */
async function send(outcome: string, values: Parameters<typeof requestOf>[0] = {}): Promise<void> {
  const { id } = await granted(connection.db, { limits: noLimits, ...values })
  await concludeRequest(connection.db, id, { outcome, answered: true, durationMs: 100, bytes: 300 })
}

async function sendRefused(refusal: string, values: Parameters<typeof requestOf>[0] = {}) {
  const { id } = await granted(connection.db, { limits: noLimits, ...values })
  await concludeRequest(connection.db, id, { outcome: refusal, answered: true, durationMs: 100, bytes: 300 })
  await refuseAccess(connection.db, id, { class: refusal, detail })
}

describe('a key that was never accepted', () => {
  test('is asked for one thing at a time, until an answer is accepted', async () => {
    const probe = await granted(connection.db)
    expect(probe.probe).toBe(true)
    expect(await ask()).toMatchObject({ reason: 'probing' })
    await concludeRequest(connection.db, probe.id, {
      outcome: 'accepted',
      answered: true,
      durationMs: 1,
      bytes: 1,
    })
    expect(await ask()).toMatchObject({ granted: true, probe: false })
    expect(await ask({ outputsize: 'full' })).toMatchObject({ granted: true, probe: true })
    expect(await ask()).toMatchObject({ granted: true, probe: false })
  })

  test.each(['network', 'burst_limit', 'invalid_symbol'])(
    'is asked again at once when its probe ended with %s',
    async (outcome) => {
      await send(outcome)
      expect(await ask()).toMatchObject({ granted: true, probe: true })
    },
  )

  test('is asked again at once when its probe was discarded', async () => {
    const { id } = await granted(connection.db)
    await discardRequest(connection.db, id)
    expect(await ask()).toMatchObject({ granted: true, probe: true })
  })

  test('is asked again after seconds when the worker that asked was lost', async () => {
    await granted(connection.db)
    await letPass(connection.db, '5 s')
    expect(await ask()).toMatchObject({ reason: 'probing' })
    await letPass(connection.db, '2 s')
    expect(await ask()).toMatchObject({ granted: true, probe: true })
  })

  test('holds no lease when there was no slot for its probe', async () => {
    const limits = limitsFor({ perSecond: 0, perMinute: 0, perDay: 1 })
    await granted(connection.db, { limits, fingerprint: 'other' })
    expect(await ask({ limits })).toMatchObject({ reason: 'day' })
    expect(await ask()).toMatchObject({ granted: true, probe: true })
  })
})

describe('a key that is refused', () => {
  test('costs one request, and then stops everything that would be asked with it', async () => {
    await sendRefused('invalid_key')
    const stopped = await ask({ outputsize: 'full' })
    expect(stopped).toMatchObject({ reason: 'key', class: 'invalid_key', detail })
    expect(Math.abs(stopped.waitMs - HOUR_MS)).toBeLessThan(10_000)
    expect(await ledgerRequests(connection.db)).toHaveLength(1)
  })

  test('lets no other probe out between its conclusion and the note of its refusal', async () => {
    const { id } = await granted(connection.db)
    await concludeRequest(connection.db, id, {
      outcome: 'invalid_key',
      answered: true,
      durationMs: 1,
      bytes: 1,
    })
    expect(await ask()).toMatchObject({ reason: 'probing' })
  })

  test('does not stop another key', async () => {
    await sendRefused('invalid_key')
    expect(await ask({ fingerprint: 'key-2' })).toMatchObject({ granted: true, probe: true })
  })

  test('is asked again after 1, 2, 4, 8, 16, 24 and 24 hours, each time by one request', async () => {
    for (const hours of [1, 2, 4, 8, 16, 24, 24]) {
      await sendRefused('invalid_key', { outputsize: hours % 3 === 1 ? 'compact' : 'full' })
      const { waitMs } = await ask()
      expect(Math.abs(waitMs - hours * HOUR_MS)).toBeLessThan(10_000)
      await letPass(connection.db, `${hours} hours`)
    }
  })

  test('counts once for all requests that were under way', async () => {
    await acceptKey(connection.db)
    const underWay = [
      await granted(connection.db),
      await granted(connection.db),
      await granted(connection.db),
    ]
    await Promise.all(
      underWay.map(({ id }) => refuseAccess(connection.db, id, { class: 'demo_key', detail })),
    )
    expect((await ask()).waitMs).toBeLessThanOrEqual(HOUR_MS)
  })

  test('has to prove everything again that it was accepted for', async () => {
    await acceptKey(connection.db, 'key-1', ['compact', 'full'])
    await sendRefused('invalid_key')
    await letPass(connection.db, '1 hour')
    expect(await ask({ outputsize: 'full' })).toMatchObject({ granted: true, probe: true })
    expect(await ask()).toMatchObject({ reason: 'probing' })
  })

  test('works again once an answer is accepted', async () => {
    await sendRefused('invalid_key')
    await letPass(connection.db, '1 hour')
    await send('accepted')
    expect(await ask()).toMatchObject({ granted: true, probe: false })
  })
})

test('a class that the ledger has never heard of means what its provider published', async () => {
  await publishRefusals(connection.db, {
    strange_key: { scope: 'key', limit: null },
    strange_access: { scope: 'access', limit: null },
  })
  await sendRefused('strange_access', { outputsize: 'full' })
  expect(await ask({ outputsize: 'full' })).toMatchObject({ reason: 'access', class: 'strange_access' })
  await sendRefused('strange_key')
  expect(await ask({ outputsize: 'full' })).toMatchObject({ reason: 'key', class: 'strange_key' })
  await publishRefusals(connection.db, { strange_key: { scope: 'access', limit: null } })
  expect(await ask({ outputsize: 'full' })).toMatchObject({ reason: 'access' })
})

describe('what the key may not have', () => {
  test('costs one request, and is refused from then on without stopping the rest', async () => {
    await acceptKey(connection.db)
    await sendRefused('entitlement', { outputsize: 'full' })
    expect(await ask({ outputsize: 'full' })).toMatchObject({ reason: 'access', class: 'entitlement' })
    expect(await ask()).toMatchObject({ granted: true, probe: false })
  })

  test('is asked for again after a day, or at once with another plan', async () => {
    await publishPlan(connection.db, { plan: 'free', limits: dailyLimits })
    await sendRefused('entitlement', { outputsize: 'full' })
    await letPass(connection.db, '23 hours')
    await publishPlan(connection.db, { plan: 'free', limits: dailyLimits })
    expect(await ask({ outputsize: 'full' })).toMatchObject({ reason: 'access' })
    await letPass(connection.db, '1 hour')
    await sendRefused('entitlement', { outputsize: 'full' })
    await publishPlan(connection.db, { plan: '75', limits: premium })
    expect(await ask({ outputsize: 'full' })).toMatchObject({ granted: true, probe: true })
  })
})

describe('a block', () => {
  test('stops the key it was said to until it ends, with its reason, and is only ever extended', async () => {
    await blockUntil(connection.db, 'key-1', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    await blockUntil(connection.db, 'key-1', { class: 'burst_limit', detail: 'Too fast.', ms: 2_500 })
    const blocked = await ask()
    expect(blocked).toMatchObject({ reason: 'blocked', class: 'minute_limit', detail: 'Too many.' })
    expect(blocked.waitMs).toBeGreaterThan(50_000)
    expect(await ask({ fingerprint: 'key-2' })).toMatchObject({ granted: true })
    await letPass(connection.db, '1 minute')
    expect(await ask()).toMatchObject({ granted: true })
  })
})

describe('a daily refusal', () => {
  const refused = (limits: readonly Limit[], saidPerDay: number | null) =>
    recordDailyRefusal(connection.db, 'key-1', {
      class: 'daily_limit',
      limits,
      saidPerDay,
      detail: '25 requests per day',
    })
  const outcomes = async () => {
    const requests = await ledgerRequests(connection.db)
    return { all: requests.length, foreign: requests.filter((one) => one.outcome === 'foreign').length }
  }

  test('spends the day of the key it was said to, and of no other; what is sent counts for all', async () => {
    await acceptKey(connection.db)
    await acceptKey(connection.db, 'key-2')
    const reserved = await granted(connection.db, { limits: premium })
    await refused(premium, 25)
    const ofOther = { fingerprint: 'key-2', limits: limitsFor({ perSecond: 0, perMinute: 0, perDay: 3 }) }
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
    expect(await ask({ limits: dailyLimits })).toMatchObject({ reason: 'day' })
    expect(await ask(ofOther)).toMatchObject({ granted: true })
    // A slot of the refused key stays spent; a slot of the other key is given back.
    const { id } = await granted(connection.db, ofOther)
    await discardRequest(connection.db, id)
    await discardRequest(connection.db, reserved.id)
    expect(await ask(ofOther)).toMatchObject({ granted: true })
    expect(await ask(ofOther)).toMatchObject({ granted: true })
    expect(await ask(ofOther)).toMatchObject({ reason: 'day' })
    expect(await ask({ limits: dailyLimits })).toMatchObject({ reason: 'day' })
  })

  test('fills the ledger with what others spent, and asks again when the oldest request leaves the window', async () => {
    await acceptKey(connection.db)
    for (let sent = 0; sent < 10; sent++) await send('accepted', { limits: dailyLimits })
    await letPass(connection.db, '20 hours')
    await refused(dailyLimits, 25)
    expect(await outcomes()).toEqual({ all: 25, foreign: 15 })
    const wait = await ask({ limits: dailyLimits })
    expect(wait).toMatchObject({ reason: 'day' })
    expect(Math.abs(wait.waitMs - 4 * HOUR_MS)).toBeLessThan(15_000)
  })

  test('fills it once, however many requests are refused together', async () => {
    await Promise.all(Array.from({ length: 8 }, () => refused(dailyLimits, 25)))
    expect(await outcomes()).toEqual({ all: 25, foreign: 25 })
  })

  test('that states less than the plan allows is a daily limit for one day, then one request asks again', async () => {
    await acceptKey(connection.db)
    await send('daily_limit', { limits: premium })
    await refused(premium, 25)
    expect(await outcomes()).toEqual({ all: 25, foreign: 24 })
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
    await letPass(connection.db, '23 hours 59 minutes')
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
    await letPass(connection.db, '1 minute 2 s')
    await send('daily_limit', { limits: premium })
    await refused(premium, 25)
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
  })

  test('that states no number holds whatever was said before', async () => {
    await refused(premium, 25)
    await refused(premium, null)
    expect(await outcomes()).toEqual({ all: 25, foreign: 25 })
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
  })

  test('that states no number, where the plan has none either, blocks for an hour', async () => {
    await refused(premium, null)
    const blocked = await ask({ limits: premium })
    expect(blocked).toMatchObject({ reason: 'blocked', class: 'daily_limit', detail: '25 requests per day' })
    expect(Math.abs(blocked.waitMs - HOUR_MS)).toBeLessThan(10_000)
  })

  test('that states as much as the plan allows, or more, contradicts nothing', async () => {
    await refused(dailyLimits, 500)
    const [state] = await connection.db.execute(sql`SELECT said_per_day FROM provider_keys`)
    expect(state).toEqual({ said_per_day: null })
    expect(await outcomes()).toEqual({ all: 25, foreign: 25 })
  })

  test('is believed over the plan until another plan is published', async () => {
    await publishPlan(connection.db, { plan: '75', limits: premium })
    await refused(premium, 25)
    await publishPlan(connection.db, { plan: '75', limits: premium })
    expect(await ask({ limits: premium })).toMatchObject({ reason: 'day' })
    const more = limitsFor({ perSecond: 0, perMinute: 150, perDay: 0 })
    await publishPlan(connection.db, { plan: '150', limits: more })
    expect(await ask({ limits: more })).toMatchObject({ granted: true })
  })
})
