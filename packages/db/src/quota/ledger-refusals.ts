import { sql } from 'drizzle-orm'
import type { Limit } from '@stockpile/domain/limit'
import type { Database } from '../database/connection.js'

/** A refusal of the key itself, or of what was asked for with it. */
export type AccessRefusal = 'invalid_key' | 'demo_key' | 'entitlement'

/**
 * Remembers that the key may not have what this request asked for. Entitlement is asked for again after a day. A key
 * that is refused stops every request made with it, and is asked for again after an hour, then two, four, up to 24,
 * since each ask spends the quota of the address as well; a new key is asked for at once.
 * @param id of the request that was refused
 */
export async function refuseAccess(
  db: Database,
  id: number,
  refusal: { class: AccessRefusal; detail: string },
): Promise<void> {
  await db.execute(sql`SELECT refuse_provider_access(${id}::bigint, ${refusal.class}, ${refusal.detail})`)
}

/**
 * Lets nothing be sent with a key for so long, by any worker, also after a restart. Only ever extends what is blocked
 * already.
 * @param fingerprint of the key
 */
export async function blockUntil(
  db: Database,
  fingerprint: string,
  block: { class: string; detail: string; ms: number },
): Promise<void> {
  await db.execute(sql`
    INSERT INTO provider_keys AS known (key_fingerprint, blocked_until, blocked_class, blocked_detail)
    VALUES (${fingerprint}, ledger_now() + ${block.ms}::float8 * interval '1 ms', ${block.class}, ${block.detail})
    ON CONFLICT (key_fingerprint) DO UPDATE SET
      blocked_until = excluded.blocked_until, blocked_class = excluded.blocked_class, blocked_detail = excluded.blocked_detail
     WHERE known.blocked_until IS NULL OR known.blocked_until < excluded.blocked_until`)
}

/** How long to wait when nobody knows how many requests a day allows: the hour at which it begins is disputed, so each is tried. */
const UNKNOWN_DAY_WAIT_MS = 3_600_000

/**
 * Records that the provider says a key's daily quota is spent: it overrules the book, which is filled up to the limit in
 * force with requests that somebody else spent of this key's quota. A number that it states and that is less than the plan's (or the plan has
 * none) is in force for one day's window; then one request asks whether it still holds.
 * @param fingerprint of the key
 * @param saidPerDay the number in the refusal, null when it has none
 */
export async function recordDailyRefusal(
  db: Database,
  fingerprint: string,
  refusal: { limits: readonly Limit[]; saidPerDay: number | null; detail: string },
): Promise<void> {
  const { limits, saidPerDay, detail } = refusal
  const [row] = await db.execute<{ booked: boolean }>(sql`
    SELECT record_daily_refusal(${JSON.stringify(limits)}::text::jsonb, ${fingerprint}, ${saidPerDay}::int, ${detail}) AS booked`)
  if (row?.booked !== true)
    await blockUntil(db, fingerprint, { class: 'daily_limit', detail, ms: UNKNOWN_DAY_WAIT_MS })
}
