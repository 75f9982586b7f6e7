import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import { countRows, microseconds, olderThan } from './list-part.js'
import type { Counted, ListPart, PlaceInTime } from './list-part.js'
import { allOf } from './statement.js'

export interface QuarantinedRow {
  id: number
  /** Of the newest item that brought it; null when those were deleted for their age. */
  runId: string | null
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
}

/** Records in quarantine, those that were rejected last first. */
export async function listRejectedRows(
  db: Database,
  filter: RejectedRowFilter & ListPart<PlaceInTime>,
): Promise<{ rows: (QuarantinedRow & PlaceInTime)[] } & Counted> {
  const { runId, symbol, resolved, limit, offset = 0 } = filter
  // Those of a run are few beside all that there are: they are looked up, not looked for.
  const from =
    runId === undefined
      ? sql`FROM rejected_rows AS rejected`
      : sql`FROM ingest_items AS item JOIN item_rejected_rows AS brought ON brought.item_id = item.id
              JOIN rejected_rows AS rejected ON rejected.id = brought.rejected_row_id`
  const where = allOf([
    runId !== undefined && sql`item.run_id = ${runId}::uuid`,
    symbol !== undefined && sql`rejected.symbol = ${symbol}`,
    resolved !== undefined && (resolved ? sql`resolved_at IS NOT NULL` : sql`resolved_at IS NULL`),
  ])
  const counted = await countRows(db, filter, sql`${from} WHERE ${where}`)
  const behind = olderThan({ at: sql`last_rejected_at`, id: sql`rejected.id` }, filter.after)
  const rows = await db.execute<Record<string, unknown> & QuarantinedRow & PlaceInTime>(sql`
    SELECT rejected.id::float8 AS id, newest."runId", rejected.symbol, date, raw, to_jsonb(reasons) AS reasons, times,
           ${isoInstant(sql`rejected_at`)} AS "rejectedAt", ${isoInstant(sql`last_rejected_at`)} AS "lastRejectedAt",
           ${isoInstant(sql`resolved_at`)} AS "resolvedAt", ${microseconds(sql`last_rejected_at`)} AS at
      FROM (
        SELECT rejected.* ${from} WHERE ${allOf([where, behind])}
         ORDER BY last_rejected_at DESC, rejected.id DESC LIMIT ${limit} OFFSET ${offset}
      ) AS rejected
      LEFT JOIN LATERAL (
       SELECT item.run_id AS "runId" FROM item_rejected_rows AS brought JOIN ingest_items AS item ON item.id = brought.item_id
        WHERE brought.rejected_row_id = rejected.id ORDER BY item.id DESC LIMIT 1
     ) AS newest ON true
     ORDER BY last_rejected_at DESC, rejected.id DESC`)
  return { rows: [...rows], ...counted }
}
