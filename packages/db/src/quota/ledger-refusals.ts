import { sql } from 'drizzle-orm'
import type { Limit } from '@stockpile/domain/limit'
import type { RefusalRow } from '@stockpile/domain/refusal'
import type { Database } from '../database/connection.js'

/**
 * Records what each class of the provider's refusals means, so that statements go by scope and limit and name no class.
 * @param refusals the provider's table, by class
 */
export async function publishRefusals(
  db: Database,
  refusals: Readonly<Record<string, Pick<RefusalRow, 'scope' | 'limit'>>>,
): Promise<void> {
  const rows = Object.entries(refusals).map(
    ([name, { scope, limit }]) => sql`(${name}, ${scope}, ${limit}::text)`,
  )
  await db.execute(sql`
    INSERT INTO refusal_classes AS known (class, scope, limit_name) VALUES ${sql.join(rows, sql`, `)}
    ON CONFLICT (class) DO UPDATE SET scope = excluded.scope, limit_name = excluded.limit_name
     WHERE (known.scope, known.limit_name) IS DISTINCT FROM (excluded.scope, excluded.limit_name)`)
}

/**
 * Records that the key may not have what a request asked for. Refused access is tried again after a day. A refused
 * key stops every request with it, and is tried again after 1, 2, 4, … 24 hours, since each try also spends the quota of the
 * address. A new key is tried at once.
 * @param id the id of the request that was refused
 */
export async function refuseAccess(
  db: Database,
  id: number,
  refusal: { class: string; detail: string },
): Promise<void> {
  await db.execute(sql`SELECT refuse_provider_access(${id}::bigint, ${refusal.class}, ${refusal.detail})`)
}

/**
 * Blocks a key: no worker sends anything with it for `block.ms` milliseconds, not after a restart either. Only extends a
 * block that is in force already.
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

/** How long to wait when nobody knows how many requests a day allows: sources differ on the hour at which a day begins, so every hour is tried. */
const UNKNOWN_DAY_WAIT_MS = 3_600_000

/**
 * Records that the provider says a key's daily quota is spent. The provider overrules the ledger, which is filled up to the
 * limit in force with `foreign` requests, that somebody else spent of the key's quota. A stated number that is below the
 * plan's, or that the plan lacks, is in force for one day's window; then one request finds out whether it still holds.
 * @param refusal.saidPerDay the number of requests a day in the refusal; null when it states none
 */
export async function recordDailyRefusal(
  db: Database,
  fingerprint: string,
  refusal: { class: string; limits: readonly Limit[]; saidPerDay: number | null; detail: string },
): Promise<void> {
  const { limits, saidPerDay, detail } = refusal
  const [row] = await db.execute<{ recorded: boolean }>(sql`
    SELECT record_daily_refusal(${JSON.stringify(limits)}::text::jsonb, ${fingerprint}, ${saidPerDay}::int, ${detail}) AS recorded`)
  if (row?.recorded !== true)
    await blockUntil(db, fingerprint, { class: refusal.class, detail, ms: UNKNOWN_DAY_WAIT_MS })
}
