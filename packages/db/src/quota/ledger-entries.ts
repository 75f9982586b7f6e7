import { sql } from 'drizzle-orm'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { forecast, nextSlot } from './slots.js'
import { keyRefusal, LIVES, MOST_CAPABLE_FIRST } from '../operations/workers.js'

/** What the forecast goes by, as of one moment of the database's clock. */
export interface QuotaBook {
  /** Milliseconds since 1970; so are `sent` and `blockedUntil`. */
  now: number
  /** Of the living worker that can send and whose plan allows most; of none, what one started with last; null before any did. */
  plan: string | null
  /** In force: the plan's, and for the day what the provider said when that is less. Empty before any worker started. */
  limits: Limit[]
  /** The requests of the longest window, oldest first. */
  sent: number[]
  /** The newest request ever; null before the first. */
  lastSentAt: number | null
  blockedUntil: number | null
  blocked: { class: string; detail: string; until: string } | null
  /** What the provider said per day when it contradicted the plan, and what the plan says. */
  said: { perDay: number; at: string; detail: string; planned: Limit[] } | null
  /** Of that worker's key, or the one that was asked with last; null before any was. */
  keyFingerprint: string | null
  /** No living worker has a key. */
  keyMissing: boolean
  /** This key is refused, and was not accepted since. */
  keyRefused: boolean
}

export async function readBook(db: Database): Promise<QuotaBook> {
  const [book] = await db.execute<Record<string, unknown> & QuotaBook>(sql`
    WITH named AS MATERIALIZED (
      SELECT coalesce(worker.plan, state.plan) AS plan, coalesce(worker.limits, state.limits) AS limits,
             coalesce(worker.key_fingerprint, state.key_fingerprint) AS key_fingerprint
        FROM provider_state AS state
        LEFT JOIN LATERAL (
          SELECT workers.plan, workers.limits, workers.key_fingerprint
            FROM workers LEFT JOIN LATERAL (${keyRefusal(sql`workers.key_fingerprint`)}) AS refusal ON true
           WHERE ${LIVES} ORDER BY ${MOST_CAPABLE_FIRST} LIMIT 1
        ) AS worker ON true
    ), in_force AS MATERIALIZED (
      SELECT in_force.* FROM named, provider_limits(named.limits, named.key_fingerprint, now()) AS in_force
    )
    SELECT ${epochMs(sql`now()`)} AS now, named.plan,
           coalesce((SELECT jsonb_agg(jsonb_build_object('name', name, 'max', max, 'windowMs', window_ms, 'marginMs', margin_ms))
                       FROM in_force), '[]') AS limits,
           coalesce((SELECT jsonb_agg(${epochMs(sql`slot_at`)} ORDER BY slot_at) FROM provider_requests AS book
                      WHERE slot_at > now() - (SELECT max(span) FROM in_force) AND counts_for_key(book, named.key_fingerprint)),
             '[]') AS sent,
           (SELECT ${epochMs(sql`max(slot_at)`)} FROM provider_requests) AS "lastSentAt",
           CASE WHEN blocked_until > now() THEN ${epochMs(sql`blocked_until`)} END AS "blockedUntil",
           CASE WHEN blocked_until > now() THEN jsonb_build_object('class', blocked_class, 'detail', blocked_detail,
             'until', ${isoInstant(sql`blocked_until`)}) END AS blocked,
           (SELECT jsonb_build_object('perDay', said_per_day, 'at', ${isoInstant(sql`said_at`)}, 'detail', said_detail,
              'planned', named.limits)
              FROM in_force WHERE name = 'day' AND max = said_per_day) AS said,
           named.key_fingerprint AS "keyFingerprint",
           EXISTS (${keyRefusal(sql`named.key_fingerprint`)}) AS "keyRefused",
           coalesce((SELECT bool_and(key_problem IS NOT NULL) FROM workers WHERE ${LIVES}), false) AS "keyMissing"
      FROM named LEFT JOIN provider_keys AS keys USING (key_fingerprint)`)
  if (book === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return book
}

/**
 * Until when so many further requests are sent, if each takes the first slot: an estimate, since others may spend from
 * the same quota, and only while nothing else than the limits holds them up. ISO 8601, UTC.
 * @param counts of requests; 0: all were sent, and what came of the last is not stored yet
 */
export function forecastBook(book: QuotaBook, counts: readonly number[]): string[] {
  const slots = forecast({ ...book, requests: Math.max(0, ...counts) })
  const soonest = book.now + SOONEST_MS
  return counts.map((count) =>
    new Date(Math.ceil(Math.max(slots[count - 1] ?? soonest, soonest))).toISOString(),
  )
}

/** A request that is sent now is not answered and stored sooner: what is to be done this moment would be past when it is read. */
const SOONEST_MS = 2_000

/**
 * Since when nothing was sent though the limits would have let it, in milliseconds since 1970; null while that is not so,
 * or for less than 20 s: then a request is on its way.
 * @param dueSince since when an item waits for nothing but its turn; null when none does
 */
export function idleSince(book: QuotaBook, dueSince: number | null): number | null {
  if (
    dueSince === null ||
    book.blockedUntil !== null ||
    nextSlot(book.sent, book.limits, book.now) > book.now
  )
    return null
  const since = Math.max(dueSince, book.lastSentAt ?? dueSince)
  return book.now - since > IDLE_MS ? since : null
}

const IDLE_MS = 20_000

/** SQL: milliseconds since 1970. */
export function epochMs(instant: ReturnType<typeof sql>): ReturnType<typeof sql> {
  return sql`(extract(epoch FROM ${instant}) * 1000)::float8`
}
