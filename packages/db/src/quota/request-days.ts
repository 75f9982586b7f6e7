import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** How many requests one call of `pruneRequests` takes out of the ledger. */
const PRUNE_BATCH = 10_000

/**
 * Takes requests out of the ledger that lie in no window any more, and adds them to the sums of their days, in one statement:
 * each is counted exactly once, however many workers prune. The ledger keeps the longest window in force and an hour; more
 * would be read at every report. A later plan with a longer window lacks what is gone, until a refusal fills the ledger.
 * @returns how many were taken; 10,000 is a whole batch, after which there may be more
 */
export async function pruneRequests(db: Database): Promise<number> {
  const [row] = await db.execute<{ pruned: number }>(sql`
    WITH kept AS (
      SELECT coalesce(max(in_force.span), interval '1 day') + interval '1 hour' AS span
        FROM provider_state AS state,
             (SELECT NULL AS key_fingerprint UNION ALL SELECT key_fingerprint FROM provider_keys) AS used,
             provider_limits(state.limits, used.key_fingerprint, now()) AS in_force
    ), pruned AS (
      DELETE FROM provider_requests WHERE id IN (
        SELECT id FROM provider_requests WHERE slot_at < now() - (SELECT span FROM kept)
         ORDER BY slot_at LIMIT ${PRUNE_BATCH} FOR UPDATE SKIP LOCKED)
      RETURNING slot_at, outcome, bytes
    ), summed AS (
      INSERT INTO provider_request_days AS days (day, outcome, requests, bytes)
      SELECT (slot_at AT TIME ZONE 'UTC')::date, coalesce(outcome, 'unheard'), count(*), coalesce(sum(bytes), 0)
        FROM pruned GROUP BY 1, 2 ORDER BY 1, 2
      ON CONFLICT (day, outcome) DO UPDATE SET
        requests = days.requests + excluded.requests, bytes = days.bytes + excluded.bytes
    )
    SELECT count(*)::int AS pruned FROM pruned`)
  return row?.pruned ?? 0
}

/** What became of the requests of one day. */
export interface RequestDay {
  /** YYYY-MM-DD, UTC. */
  day: string
  /** `accepted`, a refusal's class, `foreign`, or `unheard` where no answer is known (yet). */
  outcome: string
  requests: number
  bytes: number
}

/**
 * Reads what became of the requests of the last 30 days, newest first, from the ledger and from the sums of what was pruned.
 * One statement reads both, so that each request is in exactly one of them.
 */
export async function readRequestDays(db: Database): Promise<RequestDay[]> {
  const rows = await db.execute<Record<string, unknown> & RequestDay>(sql`
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
