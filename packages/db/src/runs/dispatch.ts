import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Priority } from '@stockpile/domain/run'
import type { Database } from '../database/connection.js'
import { LONGEST_BACKOFF_MS } from './items.js'

/** What the queue needs to know of an item. */
export interface DispatchableItem {
  id: number
  runId: string
  symbol: string
  priority: Priority
}

const selectDispatchable = sql`
  SELECT item.id::float8 AS id, item.run_id AS "runId", item.symbol, run.priority, item.claim > 0 AS again,
         coalesce(item.next_attempt_at < now() - interval '2 seconds' OR (
           item.next_attempt_at > now() + ${LONGEST_BACKOFF_MS} * interval '1 ms'
           AND coalesce(item.waiting_for NOT IN ('quota', 'key', 'provider'), true)), true) AS due
    FROM ingest_items AS item JOIN ingest_runs AS run ON run.id = item.run_id`

/** SQL: whether it was so long ago; also of an instant that a clock wrote which was ahead. */
function isOld(at: SQL, ageMs: number): SQL {
  return sql`(${at} <= now() - ${ageMs} * interval '1 ms' OR ${at} > now() + interval '5 seconds')`
}

/**
 * Pending items that the queue was never given, oldest first; `again` for those whose earlier job it may still hold,
 * ended, since they are retried.
 * @param minimumAgeMs leaves the API the time to dispatch its own
 */
export async function undispatchedItems(
  db: Database,
  options: { limit: number; minimumAgeMs: number },
): Promise<(DispatchableItem & { again: boolean })[]> {
  return db.execute<Record<string, unknown> & DispatchableItem & { again: boolean }>(sql`
    ${selectDispatchable}
     WHERE item.state = 'pending' AND item.dispatched_at IS NULL
       AND ${isOld(sql`run.requested_at`, options.minimumAgeMs)}
     ORDER BY item.id LIMIT ${options.limit}`)
}

/**
 * What is unfinished and was given to the queue a while ago, by id: whether the queue still has it is to be looked at.
 * It may have been emptied, be another one or an old snapshot, or the database be a restored backup. `due` when the
 * item waits for nothing any more, by the database's clock.
 * @param minimumAgeMs leaves what is being given to it the time to arrive
 */
export async function dispatchedItems(
  db: Database,
  options: { afterId: number; limit: number; minimumAgeMs: number },
): Promise<(DispatchableItem & { due: boolean })[]> {
  return db.execute<Record<string, unknown> & DispatchableItem & { due: boolean }>(sql`
    ${selectDispatchable}
     WHERE item.state IN ('pending', 'running') AND item.id > ${options.afterId}
       AND ${isOld(sql`item.dispatched_at`, options.minimumAgeMs)}
     ORDER BY item.id LIMIT ${options.limit}`)
}

/** Notes that the queue has these items' jobs. Items that were cancelled meanwhile are noted too: their jobs are to be withdrawn. */
export async function markDispatched(db: Database, ids: readonly number[]): Promise<void> {
  await db.execute(
    sql`UPDATE ingest_items SET dispatched_at = now() WHERE id = ANY(${idArray(ids)}::text::bigint[])`,
  )
}

/** Items that ended without their jobs, cancelled or coalesced: the queue may still hold these. */
const withdrawable = sql`dispatched_at IS NOT NULL AND (state = 'cancelled' OR outcome IN ('coalesced', 'up_to_date'))`

/** Ended items whose jobs the queue may still hold. */
export async function withdrawableItems(db: Database, limit: number): Promise<number[]> {
  const rows = await db.execute<{ id: number }>(sql`
    SELECT id::float8 AS id FROM ingest_items
     WHERE ${withdrawable} ORDER BY id LIMIT ${limit}`)
  return rows.map((row) => row.id)
}

/** Notes that the queue does not hold these items' jobs any more. */
export async function markWithdrawn(db: Database, ids: readonly number[]): Promise<void> {
  await db.execute(sql`
    UPDATE ingest_items SET dispatched_at = NULL WHERE ${withdrawable} AND id = ANY(${idArray(ids)}::text::bigint[])`)
}

function idArray(ids: readonly number[]): string {
  return `{${ids.join(',')}}`
}
