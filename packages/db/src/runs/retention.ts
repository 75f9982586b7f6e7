import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** With their failures and rejected rows these are some thousand rows; a hundred thousand where every answer was rejected. */
const BATCH_ITEMS = 100

/**
 * Deletes a batch of items, with their failures, of the oldest run that finished so many days ago; with its last items also
 * the run and its Idempotency-Key. However large a run is, each transaction is short and locks only rows that nobody writes.
 * Rejected rows and revisions stay, and `asked_symbols` remembers which symbols were asked for.
 * @returns 'nothing' when there is no such run; 'run' when the run itself was deleted; 'items' otherwise
 */
export async function pruneRun(
  db: Database,
  { olderThanDays }: { olderThanDays: number },
): Promise<'nothing' | 'items' | 'run'> {
  return db.transaction(async (tx) => {
    // A retry and a cancellation lock the run too, and go first (SKIP LOCKED); a retried run has unfinished items.
    const [run] = await tx.execute<{ id: string }>(sql`
      SELECT run.id FROM ingest_runs AS run, (SELECT now() - ${olderThanDays} * interval '1 day' AS at) AS bound
       WHERE run.requested_at < bound.at AND NOT EXISTS (
         SELECT FROM ingest_items AS item WHERE item.run_id = run.id AND (item.finished_at IS NULL OR item.finished_at >= bound.at))
       ORDER BY run.requested_at, run.id LIMIT 1 FOR UPDATE OF run SKIP LOCKED`)
    if (run === undefined) return 'nothing'
    const ofRun = sql`run_id = ${run.id}::uuid`
    const unfinished = await tx.execute(
      sql`SELECT FROM ingest_items WHERE ${ofRun} AND finished_at IS NULL LIMIT 1`,
    )
    // The run was retried after it was selected and before it was locked.
    if (unfinished.length > 0) return 'items'
    const items = await tx.execute<{ id: number }>(sql`
      SELECT id::float8 AS id FROM ingest_items WHERE ${ofRun} ORDER BY id LIMIT ${BATCH_ITEMS + 1}`)
    const batch = items.slice(0, BATCH_ITEMS)
    const ids = sql`ANY (${`{${batch.map(({ id }) => id).join(',')}}`}::text::bigint[])`
    await tx.execute(sql`
      INSERT INTO asked_symbols SELECT symbol FROM ingest_items WHERE id = ${ids} ORDER BY symbol ON CONFLICT DO NOTHING`)
    // The totals count failed items by the class of their failures, which must still be there when an item leaves the state.
    await tx.execute(sql`UPDATE ingest_items SET state = 'cancelled' WHERE id = ${ids} AND state = 'failed'`)
    await tx.execute(sql`DELETE FROM item_rejected_rows WHERE item_id = ${ids}`)
    await tx.execute(sql`DELETE FROM ingest_failures WHERE item_id = ${ids}`)
    await tx.execute(sql`DELETE FROM ingest_items WHERE id = ${ids}`)
    if (items.length > batch.length) {
      // A cancelled run cannot be retried, so that nobody retries half of it.
      await tx.execute(
        sql`UPDATE ingest_runs SET cancelled_at = coalesce(cancelled_at, now()) WHERE id = ${run.id}::uuid`,
      )
      return 'items'
    }
    await tx.execute(sql`DELETE FROM idempotency_keys WHERE ${ofRun}`)
    await tx.execute(sql`DELETE FROM run_totals WHERE ${ofRun}`)
    await tx.execute(sql`DELETE FROM ingest_runs WHERE id = ${run.id}::uuid`)
    return 'run'
  })
}
