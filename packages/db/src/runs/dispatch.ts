import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Priority } from '@stockpile/domain/run'
import type { Database } from '../database/connection.js'
import { LONGEST_BACKOFF_MS } from './items.js'

/** What the queue has to know of an item. */
export interface DispatchableItem {
  id: number
  runId: string
  symbol: string
  priority: Priority
}

/**
 * SQL: the items that the queue may have to be given. `wasTaken`: whether the item was taken before. `isDue`: whether the item
 * waits for nothing; an attempt that is due later than any backoff was noted by a clock that was ahead.
 */
const selectDispatchable = sql`
  SELECT item.id::float8 AS id, item.run_id AS "runId", item.symbol, run.priority, item.claim > 0 AS "wasTaken",
         coalesce(item.next_attempt_at < now() - interval '2 seconds' OR (
           item.next_attempt_at > now() + ${LONGEST_BACKOFF_MS} * interval '1 ms'
           AND coalesce(item.waiting_for NOT IN ('quota', 'key', 'provider'), true)), true) AS "isDue"
    FROM ingest_items AS item JOIN ingest_runs AS run ON run.id = item.run_id`

/** SQL: whether an instant is so long past, in milliseconds. An instant more than 5 s ahead counts too: a clock that was ahead wrote it. */
function isOld(at: SQL, ageMs: number): SQL {
  return sql`(${at} <= now() - ${ageMs} * interval '1 ms' OR ${at} > now() + interval '5 seconds')`
}

/**
 * Lists pending items that the queue was not given, oldest first. With `wasTaken` the queue may still hold the item's earlier
 * job, which has ended: the item is retried.
 * @param options.minimumAgeMs how old the run is at least, which leaves the API the time to dispatch its own items
 */
export async function undispatchedItems(
  db: Database,
  options: { limit: number; minimumAgeMs: number },
): Promise<(DispatchableItem & { wasTaken: boolean })[]> {
  return db.execute<Record<string, unknown> & DispatchableItem & { wasTaken: boolean }>(sql`
    ${selectDispatchable}
     WHERE item.state = 'pending' AND item.dispatched_at IS NULL
       AND ${isOld(sql`run.requested_at`, options.minimumAgeMs)}
     ORDER BY item.id LIMIT ${options.limit}`)
}

/**
 * Lists unfinished items that the queue was given a while ago, by id. The queue may have lost their jobs: it was emptied, is
 * another queue or an old snapshot, or the database is a restored backup. With `isDue` the item waits for nothing, by the
 * database's clock.
 * @param options.minimumAgeMs how long ago the queue was given the item at least, which leaves jobs the time to arrive
 */
export async function dispatchedItems(
  db: Database,
  options: { afterId: number; limit: number; minimumAgeMs: number },
): Promise<(DispatchableItem & { isDue: boolean })[]> {
  return db.execute<Record<string, unknown> & DispatchableItem & { isDue: boolean }>(sql`
    ${selectDispatchable}
     WHERE item.state IN ('pending', 'running') AND item.id > ${options.afterId}
       AND ${isOld(sql`item.dispatched_at`, options.minimumAgeMs)}
     ORDER BY item.id LIMIT ${options.limit}`)
}

/** Notes that the queue has the jobs of these items. Items that were cancelled meanwhile are noted too, so that their jobs are withdrawn. */
export async function markDispatched(db: Database, ids: readonly number[]): Promise<void> {
  await db.execute(
    sql`UPDATE ingest_items SET dispatched_at = now() WHERE id = ANY(${idArray(ids)}::text::bigint[])`,
  )
}

/** SQL: whether an item finished apart from its job, so that the queue may still hold the job. */
const withdrawable = sql`dispatched_at IS NOT NULL AND (state = 'cancelled' OR outcome IN ('coalesced', 'up_to_date'))`

/** Lists finished items whose jobs the queue may still hold. */
export async function withdrawableItems(db: Database, limit: number): Promise<number[]> {
  const rows = await db.execute<{ id: number }>(sql`
    SELECT id::float8 AS id FROM ingest_items
     WHERE ${withdrawable} ORDER BY id LIMIT ${limit}`)
  return rows.map((row) => row.id)
}

/** Notes that the queue holds the jobs of these items no more. */
export async function markWithdrawn(db: Database, ids: readonly number[]): Promise<void> {
  await db.execute(sql`
    UPDATE ingest_items SET dispatched_at = NULL WHERE ${withdrawable} AND id = ANY(${idArray(ids)}::text::bigint[])`)
}

function idArray(ids: readonly number[]): string {
  return `{${ids.join(',')}}`
}
