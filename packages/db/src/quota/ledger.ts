import { sql } from 'drizzle-orm'
import type { Limit, LimitName } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'

export interface RequestToReserve {
  limits: readonly Limit[]
  /** Of the key, never the key itself. */
  fingerprint: string
  function: string
  outputsize: string
  itemId: number | null
  /** None is reserved further ahead than this (1,000): who sleeps on a slot takes it from a higher priority. */
  aheadMs?: number
}

/**
 * A slot, or why there is none and after how many milliseconds to ask again: the provider has refused the key for a
 * while (`blocked`) or the key itself (`key`); it answers nobody (`outage`); what is fetched could not be stored (`storage`);
 * the key may not have this (`entitlement`); another request finds out whether it may (`probing`); or the limit that has
 * no room is named.
 */
export type Reservation =
  | {
      granted: true
      id: number
      /** Whether the request finds out what the key may have, or whether an outage is over. */
      probe: boolean
      /** From the answer to the slot: who waits so long is never early. */
      waitMs: number
      /** From when the server received the question to the slot: counted from the asking, nobody is later than it seems. */
      slotMs: number
    }
  | ({ granted: false } & ClosedGate)
  | { granted: false; reason: 'entitlement'; class: string; detail: string; waitMs: number }
  | { granted: false; reason: 'probing'; waitMs: number }

/** Why there is no slot for any request with the key, and after how many milliseconds there may be one. */
export type ClosedGate =
  | { reason: 'blocked' | 'key' | 'outage' | 'storage'; class: string; detail: string; waitMs: number }
  | { reason: LimitName; waitMs: number }

/** The database's clock as the ledger saw it, without the jumps that it knows of. */
export interface ClockReading {
  /** Milliseconds of a scale of its own. */
  ledgerMs: number
  /** How many jumps it knows of. */
  jumps: number
  /** The last of them: by how much, and what the ledger read right after it, or less; null before any. Milliseconds. */
  lastJump: { ms: number; afterMs: number } | null
  /** Of the book's newest request; what has a higher id was booked later. */
  newestId: number
  /** Whether it was set back: something was noted that lies further ahead than anything can. See `settleLedger`. */
  isBehind: boolean
}

/**
 * Takes the next slot of the quota, in one statement and by the database's clock: workers' clocks do not matter. The
 * slot is spent from then on, whatever becomes of its owner; give it back with `discardRequest` when nothing was sent.
 *
 * The guarantee holds for requests that leave `waitMs` after the answer or later, and reach the provider less than the
 * least margin after `slotMs` from the asking. Who wakes later than that must discard.
 * @throws when the server does not answer; a slot may then be burnt, never spent twice
 */
export async function reserveRequest(
  db: Database,
  request: RequestToReserve,
): Promise<Reservation & { clock: ClockReading }> {
  const { limits, fingerprint, outputsize, itemId, aheadMs = 1_000 } = request
  const [row] = await db.execute<{ reservation: Reservation & { clock: ClockReading } }>(sql`
    SELECT reserve_provider_request(${JSON.stringify(limits)}::text::jsonb, ${fingerprint}, ${request.function}, ${outputsize},
                                    ${itemId}::bigint, ${aheadMs}::float8) AS reservation`)
  if (row === undefined) throw new Error('reserve_provider_request answered no row')
  return row.reservation
}

/**
 * Gives a slot back whose request was never sent: its owner woke too late, or was cancelled while it waited. Never
 * for one that may have been sent. A concluded request stays, and so does a slot that was reserved before the provider
 * said that the day is spent.
 */
export async function discardRequest(db: Database, id: number): Promise<void> {
  await db.execute(sql`SELECT discard_provider_request(${id}::bigint)`)
}

/**
 * Moves the slot of a request that left so much later than it should: windows count from then, for all who reserve from
 * now on and for those who look at theirs again (`isStillSlot`).
 */
export async function moveSlot(db: Database, id: number, ms: number): Promise<void> {
  await db.execute(sql`
    UPDATE provider_requests SET slot_at = slot_at + ${ms}::float8 * interval '1 ms' WHERE id = ${id} AND outcome IS NULL`)
}

/**
 * Whether a slot that was waited for is one still: requests before it may have left late since, so that it would be one
 * too many within a window of theirs.
 */
export async function isStillSlot(db: Database, id: number, limits: readonly Limit[]): Promise<boolean> {
  const [row] = await db.execute<{ holds: boolean }>(sql`
    SELECT NOT EXISTS (
             SELECT FROM provider_limits(${JSON.stringify(limits)}::text::jsonb, mine.key_fingerprint, clock_timestamp()) AS in_force
              WHERE mine.slot_at < in_force.span + (
                SELECT earlier.slot_at FROM provider_requests AS earlier
                 WHERE counts_for_key(earlier, mine.key_fingerprint)
                   AND earlier.slot_at <= mine.slot_at AND (earlier.slot_at, earlier.id) < (mine.slot_at, mine.id)
                 ORDER BY earlier.slot_at DESC, earlier.id DESC OFFSET in_force.max - 1 LIMIT 1)) AS holds
      FROM provider_requests AS mine WHERE id = ${id}`)
  return row?.holds ?? false
}

/** How long a probe keeps others from asking without `renewProbe`; reserve_provider_request says the same. */
const PROBE_LEASE_MS = 6_000

/**
 * Says that a probe's worker lives: others wait for what it finds out for 6 s more. Of a worker that is lost, or cut off
 * from the database, nobody waits longer. A probe that was concluded or discarded stays so. The main statement locks first
 * of all: provider_state, as in `concludeRequest`, so that the two never wait for each other.
 */
export async function renewProbe(db: Database, id: number): Promise<void> {
  const lease = sql`ledger_now() + ${PROBE_LEASE_MS} * interval '1 ms'`
  await db.execute(sql`
    WITH access AS (
      UPDATE provider_access SET probe_until = ${lease}
       WHERE probe_id = ${id} AND state = 'probing' AND probe_until > ledger_now()
    )
    UPDATE provider_state SET outage_probe_until = ${lease}
     WHERE outage_probe_id = ${id} AND outage_probe_until > ledger_now()`)
}

/**
 * Whether a request with this key would get a slot now: null when it would, else why not. Cheap, and takes nothing: for
 * a worker that waits, which looks again and again, so that no wait outlives its cause.
 * @param request.aheadMs a slot so far ahead counts as one of now
 */
export async function readGate(
  db: Database,
  { limits, fingerprint, aheadMs }: { limits: readonly Limit[]; fingerprint: string; aheadMs: number },
): Promise<{ closed: ClosedGate | null; clock: ClockReading }> {
  const [row] = await db.execute<{ gate: { closed: ClosedGate | null; clock: ClockReading } }>(sql`
    SELECT provider_gate(${JSON.stringify(limits)}::text::jsonb, ${fingerprint}, ${aheadMs}::float8) AS gate`)
  if (row === undefined) throw new Error('provider_gate answered no row')
  return row.gate
}

/**
 * Reports that the database's clock was set: all that the ledger has noted by it moves along, so that windows and waits end
 * when they should. Only once, however many workers report it.
 * @param jump.ms how far it moved; negative: back
 * @param jump.seen how many jumps the reading knew of that shows it
 * @param jump.newestId of the last reading before it
 * @param jump.afterMs what the ledger read right after it, or less
 * @returns whether it was not known yet
 */
export async function noteClockJump(
  db: Database,
  jump: { ms: number; seen: number; newestId: number; afterMs: number },
): Promise<boolean> {
  const [row] = await db.execute<{ noted: boolean }>(sql`
    SELECT note_clock_jump(${jump.ms}::float8, ${jump.seen}::int, ${jump.newestId}::bigint, ${jump.afterMs}::float8) AS noted`)
  const isNew = row?.noted ?? false
  if (isNew) await moveRetries(db, jump.ms)
  return isNew
}

/**
 * The waits between two attempts, as note_clock_jump moves others: forward all, back those that lie further ahead than the
 * jump. Apart from it, which holds the ledger's lock: rows of items may be locked for longer.
 */
async function moveRetries(db: Database, jumpMs: number): Promise<void> {
  const jump = sql`${jumpMs}::float8 * interval '1 ms'`
  const isMoved = jumpMs > 0 ? sql`` : sql`AND next_attempt_at > ledger_now() - ${jump}`
  await db.execute(sql`
    UPDATE ingest_items SET next_attempt_at = next_attempt_at + ${jump}
     WHERE state = 'pending' AND next_attempt_at IS NOT NULL ${isMoved}`)
}

/**
 * Takes what a clock noted that was ahead, and that nobody saw being set back, for noted now: no wait is longer then than
 * its cause can make it, and no window forgets a request.
 */
export async function settleLedger(db: Database): Promise<void> {
  await db.execute(sql`SELECT settle_ledger()`)
}

export interface Conclusion {
  /** `accepted`, or the class of the refusal. */
  outcome: string
  /** Whether the provider itself answered, whatever it said: that ends an outage. */
  answered: boolean
  durationMs: number
  bytes: number
  /** It may have arrived so much later than its slot: the slot is moved there, and windows count from it. */
  movedMs?: number
}

/**
 * Notes what became of a request; the first conclusion stays. `accepted` also proves that the key may have what was
 * asked for. Any other outcome gives a probe's lease back, but for those that `refuseAccess` decides: were they given
 * back before it is called, another request would go out.
 * @returns how long an outage lasted that this ends, in milliseconds; null when it ends none
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
         AND concluded.outcome NOT IN ('accepted', 'invalid_key', 'demo_key', 'entitlement')
    )
    UPDATE provider_state ${outage} RETURNING CASE WHEN ${answered} THEN interval_ms(ledger_now() - old.outage_since) END AS "lastedMs"`)
  return ended?.lastedMs ?? null
}

/**
 * Notes what a worker starts with; the API forecasts by it. A plan that changed is believed until the provider
 * contradicts it: what it said per day and what it refused for want of entitlement is forgotten, for one request a key.
 */
export async function publishPlan(
  db: Database,
  { plan, limits }: { plan: string; limits: readonly Limit[] },
): Promise<void> {
  await db.execute(sql`
    WITH changed AS (
      UPDATE provider_state SET plan = ${plan}, limits = ${JSON.stringify(limits)}::text::jsonb, published_at = now()
      RETURNING (old.plan, old.limits) IS DISTINCT FROM (new.plan, new.limits) AS changed
    ), unsaid AS (
      UPDATE provider_keys SET said_per_day = NULL FROM changed WHERE changed.changed AND said_per_day IS NOT NULL
    )
    DELETE FROM provider_access USING changed WHERE changed.changed AND class = 'entitlement'`)
}

/** How much one call of `pruneRequests` takes off the book. */
const PRUNE_BATCH = 10_000

/**
 * Takes requests off the book that lie in no window any more, and adds them to the day's sums, in one statement: each
 * is counted exactly once, however many workers prune. Kept is the longest window in force and an hour: more would be
 * read at every report. A plan with a longer window does not find what is gone; a refusal then fills the book.
 * @returns how many were taken; as many as a batch holds: there may be more
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
