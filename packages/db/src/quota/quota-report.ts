import { sql } from 'drizzle-orm'
import type { LimitName } from '@stockpile/domain/limit'
import { readCauses } from '../operations/causes.js'
import type { Cause } from '@stockpile/domain/cause'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { readLedger } from './ledger-state.js'
import type { LedgerState } from './ledger-state.js'
import type { ACCESS_STATES } from './schema.js'
import { readRequestDays } from './request-days.js'
import type { RequestDay } from './request-days.js'
import { countBacklog, forecastBacklog } from './run-forecast.js'
import type { Estimate } from './run-forecast.js'
import { nextSlot } from './slots.js'
import { isLiving, keyClasses, shortFingerprint } from '../operations/workers.js'

/** How much of one limit is used. */
export interface LimitUsage {
  name: LimitName
  max: number
  windowMs: number
  /** Requests in the window that ends now, the margin included. */
  used: number
  remaining: number
  /** When the next request fits; null when it fits now. ISO 8601, UTC; so are all instants here. */
  nextFreesAt: string | null
}

/** What is known of whether a key may ask for something. */
export interface KeyAccess {
  function: string
  outputsize: string
  state: (typeof ACCESS_STATES)[number]
  /** Of the newest refusal: its class, its sentence, and when access is asked for again. */
  class: string | null
  detail: string | null
  retryAt: string | null
  decidedAt: string | null
  /** Whether that refusal speaks of the key itself, rather than of what was asked for with it. */
  isOfKey: boolean
}

export interface Quota {
  /** See `LedgerState`. */
  plan: string | null
  /** The different plans of the living workers. */
  livingPlans: string[]
  /** The limits in force; a plan's limit of 0 is no limit. */
  limits: LimitUsage[]
  /** Until when nothing is sent, and why; null when nothing is blocked. */
  blocked: LedgerState['blocked']
  /** What the provider says a day allows, where it contradicts the plan. */
  contradiction: LedgerState['contradiction']
  /** The key that `LedgerState` names, its fingerprint shortened, and what is known of the key; null before there was a key, unless a worker waits for one. */
  key: { fingerprint: string | null; missing: boolean; refused: boolean; access: KeyAccess[] } | null
  /** Unfinished items, running ones included. */
  itemsWaiting: number
  /** When the last request of the unfinished items will have been sent. */
  backlogDone: Estimate
  /** Why nothing is sent; empty while something may be. */
  causes: Cause[]
  /** The last 30 days in UTC, newest first. */
  days: RequestDay[]
}

/** Reads the state of the quota at one moment: limits, blocks, the key, what waits and until when, and what was spent. */
export async function readQuota(db: Database): Promise<Quota> {
  // One snapshot over one connection: a request that is pruned between two statements would be counted twice or not at all.
  const { ledger, access, livingPlans, causes, backlog, days } = await db.transaction(
    async (tx) => {
      const read = await readLedger(tx)
      return {
        ledger: read,
        access: await readAccess(tx, read.keyFingerprint),
        livingPlans: await readLivingPlans(tx),
        causes: await readCauses(tx),
        backlog: await countBacklog(tx),
        days: await readRequestDays(tx),
      }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
  return {
    plan: ledger.plan,
    livingPlans,
    limits: usageOf(ledger),
    blocked: ledger.blocked,
    contradiction: ledger.contradiction,
    key:
      ledger.keyFingerprint === null && !ledger.isKeyMissing
        ? null
        : {
            fingerprint: ledger.keyFingerprint === null ? null : shortFingerprint(ledger.keyFingerprint),
            missing: ledger.isKeyMissing,
            refused: ledger.isKeyRefused,
            access,
          },
    itemsWaiting: backlog.items,
    backlogDone: forecastBacklog(ledger, backlog, causes),
    causes,
    days,
  }
}

function usageOf({ now, sent, limits }: LedgerState): LimitUsage[] {
  return limits.map((limit) => {
    const { name, max, windowMs, marginMs } = limit
    const used = sent.filter((at) => at > now - windowMs - marginMs).length
    const freesAt = nextSlot(sent, [limit], now)
    const nextFreesAt = freesAt > now ? new Date(Math.ceil(freesAt)).toISOString() : null
    return { name, max, windowMs, used, remaining: Math.max(0, max - used), nextFreesAt }
  })
}

async function readAccess(db: Database, fingerprint: string | null): Promise<KeyAccess[]> {
  const rows = await db.execute<Record<string, unknown> & KeyAccess>(sql`
    SELECT function, outputsize, state, class, detail,
           ${isoInstant(sql`retry_at`)} AS "retryAt", ${isoInstant(sql`decided_at`)} AS "decidedAt",
           coalesce(class IN (${keyClasses}), false) AS "isOfKey"
      FROM provider_access WHERE key_fingerprint = ${fingerprint} ORDER BY function, outputsize`)
  return [...rows]
}

async function readLivingPlans(db: Database): Promise<string[]> {
  const rows = await db.execute<{ plan: string }>(
    sql`SELECT DISTINCT plan FROM workers WHERE ${isLiving} ORDER BY plan`,
  )
  return rows.map((row) => row.plan)
}
