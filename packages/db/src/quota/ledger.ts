import { sql } from 'drizzle-orm'
import type { Limit, LimitName } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'
import type { ClockReading } from './ledger-clock.js'

export interface RequestToReserve {
  limits: readonly Limit[]
  /** The fingerprint of the key, never the key itself. */
  fingerprint: string
  function: string
  outputsize: string
  itemId: number | null
  /** No slot is reserved further ahead, in milliseconds (default 1,000): an item that sleeps on a slot takes it from a higher priority. */
  aheadMs?: number
}

/**
 * A slot, or why there is none and after how many milliseconds to ask again: a ClosedGate; `access`, when the key may
 * not have what the request asks for; or `probing`, while another request finds out whether the key may have it.
 */
export type Reservation =
  | {
      granted: true
      id: number
      /** Whether this request finds out what the key may have, or whether an outage is over. */
      probe: boolean
      /** From the ledger's answer to the slot: a request that waits so long is never early. */
      waitMs: number
      /** From when the server received the question to the slot: counted from the asking, it never understates how late a worker is. */
      slotMs: number
    }
  | ({ granted: false } & ClosedGate)
  | { granted: false; reason: 'access'; class: string; detail: string; waitMs: number }
  | { granted: false; reason: 'probing'; waitMs: number }

/**
 * Why there is no slot for any request with the key, and after how many milliseconds there may be one: the provider has
 * refused requests for a while (`blocked`) or the key itself (`key`); the provider answers nobody (`outage`); rows cannot be
 * stored (`storage`); or the limit of this name has no room.
 */
export type ClosedGate =
  | { reason: 'blocked' | 'key' | 'outage' | 'storage'; class: string; detail: string; waitMs: number }
  | { reason: LimitName; waitMs: number }

/**
 * Reserves the next slot of the quota, in one statement and by the database's clock, so that workers' clocks do not matter.
 * The slot is spent from then on, whatever becomes of its worker; `discardRequest` gives it back when nothing was sent.
 *
 * The limits hold for requests that leave `waitMs` after the answer or later, and that reach the provider before `slotMs`
 * and the least margin have passed since the asking. A worker that wakes later must discard its request.
 * @throws when the server does not answer; a slot may then be lost, but none is spent twice
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
 * Gives back the slot of a request that was never sent, because its worker woke too late or its item was cancelled. Not to be
 * called for a request that may have been sent. A concluded request stays, and so does a slot that was reserved before the
 * provider said that the day is spent.
 */
export async function discardRequest(db: Database, id: number): Promise<void> {
  await db.execute(sql`SELECT discard_provider_request(${id}::bigint)`)
}

/**
 * Moves the slot of a request that left later than it should, by `ms` milliseconds. Windows count from the new instant for
 * requests that are reserved from now on, and for waiting requests whose worker asks `isStillSlot`.
 */
export async function moveSlot(db: Database, id: number, ms: number): Promise<void> {
  await db.execute(sql`
    UPDATE provider_requests SET slot_at = slot_at + ${ms}::float8 * interval '1 ms' WHERE id = ${id} AND outcome IS NULL`)
}

/**
 * Whether a reserved slot still keeps the limits. Requests before it may have left late since the reservation, so that this
 * request would now be one too many within their window.
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

/** How long a probe keeps others from asking, unless `renewProbe` prolongs it. In step with reserve_provider_request. */
const PROBE_LEASE_MS = 6_000

/**
 * Lets others wait 6 s more for what a probe finds out, because its worker lives. For a worker that is lost, or cut off from
 * the database, nobody waits longer. A probe that was concluded or discarded stays so. The statement locks provider_state
 * first, as `concludeRequest` does, so that the two never wait for each other.
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
 * Reads whether a request with this key would get a slot now. Reading is cheap and reserves nothing: a waiting worker reads
 * the gate again and again, so that no wait outlives its cause.
 * @param request.aheadMs a slot at most so many milliseconds ahead counts as a slot of now
 * @returns `closed`: null when there would be a slot, else why there is none
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
 * Notes the plan and limits that a worker starts with, by which the API forecasts. A changed plan is believed until the
 * provider contradicts it: what the provider said per day, and what it refused of access, is forgotten, which
 * costs one request a key.
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
    DELETE FROM provider_access USING changed WHERE changed.changed AND class IN (SELECT class FROM refusal_classes WHERE scope = 'access')`)
}
