import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** What became of a request. */
export interface Conclusion {
  /** `accepted`, or the class of the refusal. */
  outcome: string
  /** Whether the provider itself answered, whatever it said: any answer ends an outage. */
  answered: boolean
  durationMs: number
  bytes: number
  /** By how many milliseconds the request may have arrived after its slot: the slot moves, and windows count from there. */
  movedMs?: number
}

/**
 * Records what became of a request; the first conclusion stays. `accepted` also proves that the key may have what was asked
 * for. Any other outcome ends a probe's lease, but for the refusals of access: `refuseAccess` ends theirs, since another
 * request would go out in between.
 * @returns how long the outage lasted that this answer ends, in milliseconds; null when it ends none
 */
export async function concludeRequest(
  db: Database,
  id: number,
  { outcome, answered, durationMs, bytes, movedMs = 0 }: Conclusion,
): Promise<number | null> {
  const outage = answered
    ? sql`SET outage_since = NULL, outage_class = NULL, outage_detail = NULL, outage_failures = 0, outage_symbol = NULL,
              outage_probe_at = NULL, outage_probe_id = NULL, outage_probe_until = NULL
            WHERE outage_since IS NOT NULL OR outage_failures > 0`
    : sql`SET outage_probe_until = ledger_now() WHERE outage_probe_id = ${id}`
  const [ended] = await db.execute<{ lastedMs: number | null }>(sql`
    WITH concluded AS (
      UPDATE provider_requests
         SET outcome = ${outcome}, duration_ms = ${durationMs}, bytes = ${bytes}, concluded_at = ledger_now(),
             slot_at = slot_at + ${movedMs}::float8 * interval '1 ms'
       WHERE id = ${id} AND outcome IS NULL
      RETURNING id, key_fingerprint, function, outputsize, outcome
    ), accepted AS (
      INSERT INTO provider_access (key_fingerprint, function, outputsize, state, decided_at)
      SELECT key_fingerprint, function, outputsize, 'accepted', ledger_now()
        FROM concluded
       WHERE outcome = 'accepted' AND NOT EXISTS (
         SELECT FROM provider_access AS access
          WHERE access.key_fingerprint = concluded.key_fingerprint AND access.function = concluded.function
            AND access.outputsize = concluded.outputsize AND access.state = 'accepted')
      ON CONFLICT (key_fingerprint, function, outputsize) DO UPDATE SET
        state = excluded.state, class = NULL, detail = NULL, refusals = 0, retry_at = NULL,
        probe_id = NULL, probe_until = NULL, decided_at = excluded.decided_at
    ), decided AS (
      UPDATE provider_access AS access SET probe_until = ledger_now()
        FROM concluded
       WHERE access.probe_id = concluded.id
         AND concluded.outcome <> 'accepted'
         AND concluded.outcome NOT IN (SELECT class FROM refusal_classes WHERE scope IN ('key', 'access'))
    )
    UPDATE provider_state ${outage} RETURNING CASE WHEN ${answered} THEN interval_ms(ledger_now() - old.outage_since) END AS "lastedMs"`)
  return ended?.lastedMs ?? null
}
