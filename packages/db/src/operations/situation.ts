import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { readStorageState } from './storage-state.js'
import type { StorageState } from './storage-state.js'
import { DAY_SPENT, daySpent, isLiving, keyRefusal, listWorkers } from './workers.js'
import type { Worker, WorkerWait } from './workers.js'

/** What is known of the workers, the storage, the provider and the key. Instants are ISO 8601, UTC. */
export interface Situation {
  /** The living workers: the one that can send and whose plan allows most comes first. */
  living: readonly Pick<Worker, 'waiting' | 'queueWait'>[]
  /** When the last worker that is gone was seen last; null when there never was one. */
  lastSeenAt: string | null
  /** Whether that worker was told to stop; false when it was lost. */
  wasStopped: boolean
  storage: StorageState | null
  /** Since when the provider answers nobody, and when the next probe may be sent; null while it answers. */
  outage: { class: string; detail: string; since: string; until: string | null } | null
  /** Until when no key in use may be used, as a refusal said; null while one may. */
  blocked: { class: string; detail: string; since: string | null; until: string } | null
  /** The waits of the key and plan that were used last, which count while no worker lives. */
  last: { key: WorkerWait | null; quota: WorkerWait | null }
}

/** Reads what keeps requests from being sent, if anything does. */
export async function readSituation(db: Database): Promise<Situation> {
  const storage = await readStorageState(db)
  const living = await listWorkers(db, 'living')
  const [row] = await db.execute<Record<string, unknown> & Omit<Situation, 'living' | 'storage'>>(sql`
    SELECT ${isoInstant(sql`greatest(lost.seen_at, worker_stopped_at, CASE WHEN lost.seen_at IS NULL THEN published_at END)`)} AS "lastSeenAt",
           lost.seen_at IS NULL OR worker_stopped_at > lost.seen_at AS "wasStopped",
           CASE WHEN outage_since IS NOT NULL THEN jsonb_build_object('class', outage_class, 'detail', outage_detail,
             'since', ${isoInstant(sql`outage_since`)}, 'until', ${isoInstant(sql`outage_probe_at`)}) END AS outage,
           CASE WHEN blocked.blocked_until IS NOT NULL THEN jsonb_build_object('class', blocked_class, 'detail', blocked_detail,
             'until', ${isoInstant(sql`blocked.blocked_until`)}, 'since', ${isoInstant(sql`(
               SELECT max(slot_at) FROM provider_requests AS request
                WHERE outcome = blocked_class AND request.key_fingerprint = blocked.key_fingerprint)`)}) END AS blocked,
           jsonb_build_object(
             'key', CASE WHEN refusal.class IS NOT NULL THEN jsonb_build_object('for', 'key', 'class', refusal.class,
               'reason', refusal.detail, 'since', ${isoInstant(sql`refusal.since`)}, 'until', ${isoInstant(sql`refusal.retry_at`)}) END,
             'quota', CASE WHEN day.frees_at > now() THEN jsonb_build_object('for', 'quota', 'class', ${DAY_SPENT}::text,
               'reason', 'The requests of this day are spent.', 'since', ${isoInstant(sql`day.spent_at`)},
               'until', ${isoInstant(sql`day.frees_at`)}) END) AS last
      FROM provider_state AS state
     CROSS JOIN (SELECT max(last_seen_at) AS seen_at FROM workers) AS lost
      LEFT JOIN LATERAL (${keyRefusal(sql`state.key_fingerprint`)}) AS refusal ON true
      LEFT JOIN LATERAL (${daySpent({ limits: sql`state.limits`, fingerprint: sql`state.key_fingerprint` })}) AS day ON true
      LEFT JOIN LATERAL (${keyBlock(sql`state.key_fingerprint`)}) AS blocked ON true`)
  if (row === undefined) throw new Error('provider_state has no row: its migration inserts it')
  return { ...row, living, storage }
}

/**
 * SQL: the block that ends first, when all keys of living workers are blocked; no row while one key may be used. While no
 * living worker has a key, the key that was used last stands for them.
 * @param last the fingerprint of the key that was used last
 */
function keyBlock(last: SQL): SQL {
  return sql`
    WITH living AS (
      SELECT DISTINCT key_fingerprint FROM workers WHERE ${isLiving} AND key_fingerprint IS NOT NULL
    ), used AS (
      SELECT key_fingerprint FROM living UNION ALL SELECT ${last} WHERE NOT EXISTS (SELECT FROM living)
    ), blocked AS (
      SELECT keys.* FROM used JOIN provider_keys AS keys USING (key_fingerprint) WHERE blocked_until > now()
    )
    SELECT * FROM blocked WHERE (SELECT count(*) FROM blocked) = (SELECT count(*) FROM used)
     ORDER BY blocked_until LIMIT 1`
}
