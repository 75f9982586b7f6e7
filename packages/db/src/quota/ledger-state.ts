import { sql } from 'drizzle-orm'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { keyRefusal, isLiving, mostCapableFirst } from '../operations/workers.js'

/** What the ledger says of the quota at one moment of the database's clock, by which forecasts are made. */
export interface LedgerState {
  /** Milliseconds since 1970; so are the other instants that are numbers. */
  now: number
  /**
   * The plan of the living worker that can send and whose plan allows most; while none lives, the plan that a worker started
   * with last; null before any worker started.
   */
  plan: string | null
  /** The limits in force: the plan's, and for the day what the provider said, if less. Empty before any worker started. */
  limits: Limit[]
  /** When the requests of the longest window were sent, oldest first. */
  sent: number[]
  /** When the newest request ever was sent; null before the first. */
  lastSentAt: number | null
  blockedUntil: number | null
  /** Why nothing is sent with the key for a while; null when nothing is blocked. Instants are ISO 8601, UTC. */
  blocked: { class: string; detail: string; until: string } | null
  /** What the provider said per day when it contradicted the plan, and the plan's limits; null when it did not. */
  contradiction: { perDay: number; at: string; detail: string; planned: Limit[] } | null
  /** Of the worker whose plan this is, or of the key that was used last; null before any key was used. */
  keyFingerprint: string | null
  /** Whether workers live and none of them has a key. */
  isKeyMissing: boolean
  /** Whether the key is refused, and was not accepted since. */
  isKeyRefused: boolean
}

/** Reads the state of the ledger, with the limits, key and plan that are in force. */
export async function readLedger(db: Database): Promise<LedgerState> {
  const [ledger] = await db.execute<Record<string, unknown> & LedgerState>(sql`
    WITH named AS MATERIALIZED (
      SELECT coalesce(worker.plan, state.plan) AS plan, coalesce(worker.limits, state.limits) AS limits,
             coalesce(worker.key_fingerprint, state.key_fingerprint) AS key_fingerprint
        FROM provider_state AS state
        LEFT JOIN LATERAL (
          SELECT workers.plan, workers.limits, workers.key_fingerprint
            FROM workers LEFT JOIN LATERAL (${keyRefusal(sql`workers.key_fingerprint`)}) AS refusal ON true
           WHERE ${isLiving} ORDER BY ${mostCapableFirst} LIMIT 1
        ) AS worker ON true
    ), in_force AS MATERIALIZED (
      SELECT in_force.* FROM named, provider_limits(named.limits, named.key_fingerprint, now()) AS in_force
    )
    SELECT ${epochMs(sql`now()`)} AS now, named.plan,
           coalesce((SELECT jsonb_agg(jsonb_build_object('name', name, 'max', max, 'windowMs', window_ms, 'marginMs', margin_ms))
                       FROM in_force), '[]') AS limits,
           coalesce((SELECT jsonb_agg(${epochMs(sql`slot_at`)} ORDER BY slot_at) FROM provider_requests AS request
                      WHERE slot_at > now() - (SELECT max(span) FROM in_force) AND counts_for_key(request, named.key_fingerprint)),
             '[]') AS sent,
           (SELECT ${epochMs(sql`max(slot_at)`)} FROM provider_requests) AS "lastSentAt",
           CASE WHEN blocked_until > now() THEN ${epochMs(sql`blocked_until`)} END AS "blockedUntil",
           CASE WHEN blocked_until > now() THEN jsonb_build_object('class', blocked_class, 'detail', blocked_detail,
             'until', ${isoInstant(sql`blocked_until`)}) END AS blocked,
           (SELECT jsonb_build_object('perDay', said_per_day, 'at', ${isoInstant(sql`said_at`)}, 'detail', said_detail,
              'planned', named.limits)
              FROM in_force WHERE name = 'day' AND max = said_per_day) AS contradiction,
           named.key_fingerprint AS "keyFingerprint",
           EXISTS (${keyRefusal(sql`named.key_fingerprint`)}) AS "isKeyRefused",
           coalesce((SELECT bool_and(key_problem IS NOT NULL) FROM workers WHERE ${isLiving}), false) AS "isKeyMissing"
      FROM named LEFT JOIN provider_keys AS keys USING (key_fingerprint)`)
  if (ledger === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return ledger
}

/** SQL: milliseconds since 1970. */
export function epochMs(instant: ReturnType<typeof sql>): ReturnType<typeof sql> {
  return sql`(extract(epoch FROM ${instant}) * 1000)::float8`
}
