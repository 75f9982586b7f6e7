import { sql } from 'drizzle-orm'
import type { LimitName } from '@stockpile/domain/limit'
import { readCauses } from '../operations/causes.js'
import type { Cause } from '../operations/causes.js'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { readBook } from './ledger-entries.js'
import type { QuotaBook } from './ledger-entries.js'
import type { ACCESS_STATES } from './schema.js'
import { countBacklog, forecastBacklog } from './run-forecast.js'
import type { Estimate } from './run-forecast.js'
import { nextSlot } from './slots.js'
import { LIVES, shortFingerprint } from '../operations/workers.js'

export interface LimitUsage {
  name: LimitName
  max: number
  windowMs: number
  /** In the window that ends now, its margin included. */
  used: number
  remaining: number
  /** When the next request fits; null when it does now. ISO 8601, UTC; so are all instants here. */
  nextFreesAt: string | null
}

export interface KeyAccess {
  function: string
  outputsize: string
  state: (typeof ACCESS_STATES)[number]
  /** Of the newest refusal, and when it is asked for again. */
  class: string | null
  detail: string | null
  retryAt: string | null
  decidedAt: string | null
}

export interface Quota {
  /** Of the living worker that can send and whose plan allows most; of none, what one started with last; null before any did. */
  plan: string | null
  /** The different plans of the workers that live. */
  livingPlans: string[]
  /** Those in force; a plan's limit that is 0 is none. */
  limits: LimitUsage[]
  /** Nothing is sent before. */
  blocked: QuotaBook['blocked']
  /** What the provider says a day allows, where that contradicts the plan. */
  contradiction: QuotaBook['said']
  /** That worker's key, or the one that was asked with last, shortened, and what is known of it; null before there was one, unless a worker waits for it. */
  key: { fingerprint: string | null; missing: boolean; refused: boolean; access: KeyAccess[] } | null
  /** Unfinished, running ones included. */
  itemsWaiting: number
  /** When the last of their requests will have been sent. */
  backlogDone: Estimate
  /** Why nothing is sent, as everywhere. */
  causes: Cause[]
  /** Of the last 30 days in UTC, newest first; `unheard` where no answer is known (yet). */
  days: { day: string; outcome: string; requests: number; bytes: number }[]
}

/** The state of the quota at one moment: limits, blocks, the key, what waits and when it will be done, and what was spent. */
export async function readQuota(db: Database): Promise<Quota> {
  // One snapshot, over one connection: what is pruned between two statements would else be counted twice or not at all.
  const { book, access, livingPlans, causes, backlog, days } = await db.transaction(
    async (tx) => {
      const read = await readBook(tx)
      return {
        book: read,
        access: await readAccess(tx, read.keyFingerprint),
        livingPlans: await readLivingPlans(tx),
        causes: await readCauses(tx),
        backlog: await countBacklog(tx),
        days: await readDays(tx),
      }
    },
    { isolationLevel: 'repeatable read', accessMode: 'read only' },
  )
  return {
    plan: book.plan,
    livingPlans,
    limits: usageOf(book),
    blocked: book.blocked,
    contradiction: book.said,
    key:
      book.keyFingerprint === null && !book.keyMissing
        ? null
        : {
            fingerprint: book.keyFingerprint === null ? null : shortFingerprint(book.keyFingerprint),
            missing: book.keyMissing,
            refused: book.keyRefused,
            access,
          },
    itemsWaiting: backlog.items,
    backlogDone: forecastBacklog(book, backlog, causes),
    causes,
    days,
  }
}

function usageOf({ now, sent, limits }: QuotaBook): LimitUsage[] {
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
           ${isoInstant(sql`retry_at`)} AS "retryAt", ${isoInstant(sql`decided_at`)} AS "decidedAt"
      FROM provider_access WHERE key_fingerprint = ${fingerprint} ORDER BY function, outputsize`)
  return [...rows]
}

async function readLivingPlans(db: Database): Promise<string[]> {
  const rows = await db.execute<{ plan: string }>(
    sql`SELECT DISTINCT plan FROM workers WHERE ${LIVES} ORDER BY plan`,
  )
  return rows.map((row) => row.plan)
}

/** Of the book and of what was pruned from it, in one statement: each request is in exactly one of them. */
async function readDays(db: Database): Promise<Quota['days']> {
  const rows = await db.execute<Record<string, unknown> & Quota['days'][number]>(sql`
    SELECT day::text, outcome, sum(requests)::float8 AS requests, sum(bytes)::float8 AS bytes
      FROM (
        SELECT day, outcome, requests, bytes FROM provider_request_days
        UNION ALL
        SELECT (slot_at AT TIME ZONE 'UTC')::date, coalesce(outcome, 'unheard'), count(*), coalesce(sum(bytes), 0)
          FROM provider_requests GROUP BY 1, 2
      ) AS counted
     WHERE day > (now() AT TIME ZONE 'UTC')::date - 30
     GROUP BY day, outcome ORDER BY counted.day DESC, outcome`)
  return [...rows]
}
