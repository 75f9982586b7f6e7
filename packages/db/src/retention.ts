import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'

/**
 * Deletes the oldest run whose items have all ended so many days ago, with its items, its failures and what an
 * Idempotency-Key remembers of it. Rejected rows and revisions stay; that a symbol was asked for is remembered.
 * @returns whether there was one; another may follow
 */
export async function pruneRun(db: Database, { olderThanDays }: { olderThanDays: number }): Promise<boolean> {
  return db.transaction(async (tx) => {
    // Locked as whoever retries or cancels it does, who is let go first; what is retried meanwhile has unfinished items.
    const [run] = await tx.execute<{ id: string }>(sql`
      SELECT run.id FROM ingest_runs AS run, (SELECT now() - ${olderThanDays} * interval '1 day' AS at) AS bound
       WHERE run.requested_at < bound.at AND NOT EXISTS (
         SELECT FROM ingest_items AS item WHERE item.run_id = run.id AND (item.finished_at IS NULL OR item.finished_at >= bound.at))
       ORDER BY run.requested_at, run.id LIMIT 1 FOR UPDATE OF run SKIP LOCKED`)
    if (run === undefined) return false
    const ofRun = sql`run_id = ${run.id}::uuid`
    const unfinished = await tx.execute(
      sql`SELECT FROM ingest_items WHERE ${ofRun} AND finished_at IS NULL LIMIT 1`,
    )
    // It was retried between the look and the lock.
    if (unfinished.length > 0) return true
    await tx.execute(sql`
      INSERT INTO asked_symbols SELECT symbol FROM ingest_items WHERE ${ofRun} ORDER BY symbol ON CONFLICT DO NOTHING`)
    await tx.execute(sql`DELETE FROM idempotency_keys WHERE ${ofRun}`)
    await tx.execute(
      sql`DELETE FROM item_rejected_rows USING ingest_items AS item WHERE item.id = item_id AND item.${ofRun}`,
    )
    await tx.execute(sql`DELETE FROM ingest_failures WHERE ${ofRun}`)
    await tx.execute(sql`DELETE FROM ingest_items WHERE ${ofRun}`)
    await tx.execute(sql`DELETE FROM ingest_runs WHERE id = ${run.id}::uuid`)
    return true
  })
}
