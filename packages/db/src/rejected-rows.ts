import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import { allOf } from './statement.js'

export interface QuarantinedRow {
  id: number
  /** Of the newest item that brought it. */
  runId: string
  symbol: string
  date: string | null
  raw: unknown
  reasons: string[]
  /** How many items brought it. */
  times: number
  /** ISO 8601, UTC; so are the others. */
  rejectedAt: string
  lastRejectedAt: string
  /** When a sound row came for that day; null while none has. */
  resolvedAt: string | null
}

export interface RejectedRowFilter {
  /** Brought by an item of this run. */
  runId?: string | undefined
  symbol?: string | undefined
  resolved?: boolean | undefined
  limit: number
  offset: number
}

/** Records in quarantine, those that were rejected last first. */
export async function listRejectedRows(
  db: Database,
  filter: RejectedRowFilter,
): Promise<{ rows: QuarantinedRow[]; count: number }> {
  const { runId, symbol, resolved, limit, offset } = filter
  const where = allOf([
    symbol !== undefined && sql`rejected.symbol = ${symbol}`,
    resolved !== undefined && sql`(resolved_at IS NOT NULL) = ${resolved}::boolean`,
    runId !== undefined &&
      sql`EXISTS (
        SELECT FROM item_rejected_rows AS brought JOIN ingest_items AS item ON item.id = brought.item_id
         WHERE brought.rejected_row_id = rejected.id AND item.run_id = ${runId}::uuid)`,
  ])
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM rejected_rows AS rejected WHERE ${where}`,
  )
  const rows = await db.execute<Record<string, unknown> & QuarantinedRow>(sql`
    SELECT rejected.id::float8 AS id, newest."runId", rejected.symbol, date, raw, to_jsonb(reasons) AS reasons, times,
           ${isoInstant(sql`rejected_at`)} AS "rejectedAt", ${isoInstant(sql`last_rejected_at`)} AS "lastRejectedAt",
           ${isoInstant(sql`resolved_at`)} AS "resolvedAt"
      FROM rejected_rows AS rejected
     CROSS JOIN LATERAL (
       SELECT item.run_id AS "runId" FROM item_rejected_rows AS brought JOIN ingest_items AS item ON item.id = brought.item_id
        WHERE brought.rejected_row_id = rejected.id ORDER BY item.id DESC LIMIT 1
     ) AS newest
     WHERE ${where} ORDER BY last_rejected_at DESC, rejected.id DESC LIMIT ${limit} OFFSET ${offset}`)
  return { rows: [...rows], count: total?.count ?? 0 }
}
