import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { KEY_MISSING, KEY_REFUSED } from './quota-book.js'

export const PROVIDER_STATUSES = ['up', 'waiting_quota', 'waiting_key'] as const
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number]

/**
 * Whether the provider can be asked now, as far as is known: not while the key is missing or refused, nor while a refusal blocks
 * everything or the day's requests are spent. Shorter limits are how work goes on. Cheap: meant for probes.
 */
export async function readProviderStatus(db: Database): Promise<ProviderStatus> {
  const [row] = await db.execute<{ status: ProviderStatus }>(sql`
    SELECT CASE WHEN ${KEY_MISSING} OR ${KEY_REFUSED} THEN 'waiting_key'
                WHEN blocked_until > now() OR EXISTS (
                  SELECT FROM provider_limits(state.limits, now()) WHERE name = 'day' AND frees_at > now()) THEN 'waiting_quota'
                ELSE 'up' END AS status
      FROM provider_state AS state`)
  if (row === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return row.status
}

/** Notes that a worker has no key. It holds for 30 s, or until a slot is taken with one: repeat it. */
export async function noteMissingKey(db: Database): Promise<void> {
  await db.execute(sql`UPDATE provider_state SET key_missing_at = clock_timestamp()`)
}
