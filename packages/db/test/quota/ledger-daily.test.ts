import { sql } from 'drizzle-orm'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../../src/database/connection.js'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { discardRequest, readGate, reserveRequest } from '../../src/quota/ledger.js'
import { recordDailyRefusal } from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import { acceptKey, ledgerRequests, granted, requestOf } from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const HOUR_MS = 3_600_000
const detail = '25 requests per day'
const PLANS = {
  free: limitsFor({ perSecond: 50, perMinute: 0, perDay: 25 }),
  premium: limitsFor({ perSecond: 50, perMinute: 0, perDay: 0 }),
}

/** Reads how long until the ledger lets the next request be sent, in milliseconds. */
async function freesInMs(db: Database, limits: readonly Limit[]): Promise<number> {
  return (await readGate(db, { limits, fingerprint: 'key-1', aheadMs: 0 })).closed?.waitMs ?? 0
}

/** What becomes of requests that are under way when the provider says that the day is spent. */
const FATES = ['refused', 'refused without a number', 'accepted', 'discarded'] as const

test('a daily refusal is waited out, whatever becomes of the requests that were under way with it', async () => {
  const databases = Array.from({ length: 4 }, () => connection.open().db)
  await acceptKey(connection.db)
  const runs = fc.asyncProperty(
    fc.constantFrom<keyof typeof PLANS>('free', 'premium'),
    fc.integer({ min: 0, max: 24 }),
    fc.array(fc.constantFrom(...FATES), { maxLength: 7 }),
    async (plan, sent, others) => {
      const limits = PLANS[plan]
      await connection.db.execute(sql`TRUNCATE provider_requests`)
      await connection.db.execute(sql`
        DELETE FROM provider_keys`)
      await connection.db.execute(sql`
        INSERT INTO provider_requests (slot_at, outcome, concluded_at)
        SELECT clock_timestamp() - interval '2 s', 'accepted', clock_timestamp() FROM generate_series(1, ${sent})`)
      const underWay: { id: number; fate: (typeof FATES)[number] }[] = []
      for (const fate of ['refused' as const, ...others]) {
        const slot = await reserveRequest(connection.db, requestOf({ limits }))
        if (slot.granted) underWay.push({ id: slot.id, fate })
      }
      const waits: number[] = []
      await Promise.all(
        underWay.map(async ({ id, fate }, index) => {
          const db = databases[index % databases.length] ?? connection.db
          if (fate === 'discarded') return discardRequest(db, id)
          const isRefused = fate !== 'accepted'
          if (isRefused)
            await recordDailyRefusal(db, 'key-1', {
              class: 'daily_limit',
              limits,
              saidPerDay: fate === 'refused' ? 25 : null,
              detail,
            })
          const outcome = isRefused ? 'daily_limit' : 'accepted'
          await concludeRequest(db, id, { outcome, answered: true, durationMs: 1, bytes: 1 })
          if (isRefused) waits.push(await freesInMs(db, limits))
        }),
      )
      // The wait is a day, or an hour when neither the refusal nor the plan has a number.
      const least = (plan === 'premium' && others.includes('refused without a number') ? 1 : 24) * HOUR_MS
      waits.push(await freesInMs(connection.db, limits))
      expect(Math.min(...waits)).toBeGreaterThan(least - 60_000)
      expect(await reserveRequest(connection.db, requestOf({ limits }))).toMatchObject({ granted: false })
    },
  )
  await fc.assert(runs, { numRuns: 40 })
})

test('a slot that is given back after a daily refusal makes no room: it was counted when the ledger was filled up', async () => {
  const { db } = connection
  await acceptKey(db)
  const [slot, refused] = [await granted(db, { itemId: 7 }), await granted(db)]
  await recordDailyRefusal(db, 'key-1', {
    class: 'daily_limit',
    limits: PLANS.free,
    saidPerDay: null,
    detail,
  })
  await concludeRequest(db, refused.id, { outcome: 'daily_limit', answered: true, durationMs: 1, bytes: 1 })
  await discardRequest(db, slot.id)
  const foreign = (await ledgerRequests(db)).filter((one) => one.outcome === 'foreign')
  expect(foreign).toHaveLength(24)
  expect(foreign.every((one) => one.itemId === null)).toBe(true)
  expect(await freesInMs(db, PLANS.free)).toBeGreaterThan(23 * HOUR_MS)
})
