import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import type { Limit } from './limits.js'
import { forecast } from './slots.js'

/** What the forecast goes by, as of one moment of the database's clock. */
export interface QuotaBook {
  /** Milliseconds since 1970; so are `sent` and `blockedUntil`. */
  now: number
  /** What the workers started with last; null before any did. */
  plan: string | null
  /** In force: the plan's, and for the day what the provider said when that is less. Empty before any worker started. */
  limits: Limit[]
  /** The requests of the longest window, oldest first. */
  sent: number[]
  blockedUntil: number | null
  blocked: { class: string; detail: string; until: string } | null
  /** What the provider said per day when it contradicted the plan, and what the plan says. */
  said: { perDay: number; at: string; detail: string; planned: Limit[] } | null
  /** Of the key that was asked with last; null before any was. */
  keyFingerprint: string | null
  /** A worker waits for a key. */
  keyMissing: boolean
  /** The key that was asked with last is refused, and was not accepted since. */
  keyRefused: boolean
}

/** Whether the key that was asked with last is refused, and was not accepted since; false while there is none. */
export const KEY_REFUSED = sql`(
  SELECT coalesce(bool_or(class IN ('invalid_key', 'demo_key')) AND NOT bool_or(access.state = 'accepted'), false)
    FROM provider_access AS access JOIN provider_state USING (key_fingerprint))`

/** Whether a worker without a key said so within 30 s, and no slot was taken with one since. */
export const KEY_MISSING = sql`(
  SELECT coalesce(key_missing_at > now() - interval '30 s', false) AND NOT EXISTS (
           SELECT FROM provider_requests WHERE slot_at > key_missing_at AND key_fingerprint IS NOT NULL)
    FROM provider_state)`

export async function readBook(db: Database): Promise<QuotaBook> {
  const [book] = await db.execute<Record<string, unknown> & QuotaBook>(sql`
    WITH in_force AS MATERIALIZED (
      SELECT in_force.* FROM provider_state AS state, provider_limits(state.limits, now()) AS in_force
    )
    SELECT ${epochMs(sql`now()`)} AS now, state.plan,
           coalesce((SELECT jsonb_agg(jsonb_build_object('name', name, 'max', max, 'windowMs', window_ms, 'marginMs', margin_ms))
                       FROM in_force), '[]') AS limits,
           coalesce((SELECT jsonb_agg(${epochMs(sql`slot_at`)} ORDER BY slot_at) FROM provider_requests
                      WHERE slot_at > now() - (SELECT max(span) FROM in_force)), '[]') AS sent,
           CASE WHEN blocked_until > now() THEN ${epochMs(sql`blocked_until`)} END AS "blockedUntil",
           CASE WHEN blocked_until > now() THEN jsonb_build_object('class', blocked_class, 'detail', blocked_detail,
             'until', ${isoInstant(sql`blocked_until`)}) END AS blocked,
           (SELECT jsonb_build_object('perDay', said_per_day, 'at', ${isoInstant(sql`said_at`)}, 'detail', said_detail,
              'planned', state.limits)
              FROM in_force WHERE name = 'day' AND max = said_per_day) AS said,
           key_fingerprint AS "keyFingerprint", ${KEY_REFUSED} AS "keyRefused", ${KEY_MISSING} AS "keyMissing"
      FROM provider_state AS state`)
  if (book === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return book
}

/**
 * Until when so many further requests are sent, if each takes the first slot: an estimate, since others may spend from
 * the same quota. ISO 8601, UTC.
 * @param counts of requests; 0: nothing is to be sent
 * @returns null for each while no worker ever said what the plan is, or while the key is missing or refused
 */
export function forecastBook(book: QuotaBook, counts: readonly number[]): (string | null)[] {
  if (book.plan === null || book.keyMissing || book.keyRefused) return counts.map(() => null)
  const slots = forecast({ ...book, requests: Math.max(0, ...counts) })
  return counts.map((count) => new Date(Math.ceil(slots[count - 1] ?? book.now)).toISOString())
}

function epochMs(instant: ReturnType<typeof sql>): ReturnType<typeof sql> {
  return sql`(extract(epoch FROM ${instant}) * 1000)::float8`
}
