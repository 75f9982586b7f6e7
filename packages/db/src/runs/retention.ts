import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** With what hangs on them these are some thousand rows, or a hundred thousand where every answer was rejected. */
const ITEMS_A_BATCH = 100

/**
 * Deletes, of the oldest run whose items have all ended so many days ago, some of its items with their failures; with the
 * last of them the run and what an Idempotency-Key remembers of it. A transaction a batch: however large the run is, each is
 * short, and holds rows alone that nobody writes. Rejected rows and revisions stay; that a symbol was asked for is remembered.
 * @returns whether something was deleted, and whether that was the last of a run; more may follow
 */
export async function pruneRun(
  db: Database,
  { olderThanDays }: { olderThanDays: number },
): Promise<'nothing' | 'items' | 'run'> {
  return db.transaction(async (tx) => {
    // Locked as whoever retries or cancels it does, who is let go first; what is retried meanwhile has unfinished items.
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
    // It was retried between the look and the lock.
    if (unfinished.length > 0) return 'items'
    const items = await tx.execute<{ id: number }>(sql`
      SELECT id::float8 AS id FROM ingest_items WHERE ${ofRun} ORDER BY id LIMIT ${ITEMS_A_BATCH + 1}`)
    const batch = items.slice(0, ITEMS_A_BATCH)
    const ids = sql`ANY (${`{${batch.map(({ id }) => id).join(',')}}`}::text::bigint[])`
    await tx.execute(sql`
      INSERT INTO asked_symbols SELECT symbol FROM ingest_items WHERE id = ${ids} ORDER BY symbol ON CONFLICT DO NOTHING`)
    // Failed items are counted by the class of their failures, and only as long as these are there.
    await tx.execute(sql`UPDATE ingest_items SET state = 'cancelled' WHERE id = ${ids} AND state = 'failed'`)
    await tx.execute(sql`DELETE FROM item_rejected_rows WHERE item_id = ${ids}`)
    await tx.execute(sql`DELETE FROM ingest_failures WHERE item_id = ${ids}`)
    await tx.execute(sql`DELETE FROM ingest_items WHERE id = ${ids}`)
    if (items.length > batch.length) {
      // So that nobody retries half of it.
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
