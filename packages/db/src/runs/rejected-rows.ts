import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows, isOfRun, microseconds, olderThan } from '../database/list-part.js'
import type { Counted, ListPart, PlaceInTime } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

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
  symbol?: string | undefined
  resolved?: boolean | undefined
}

/** Records in quarantine, those that were rejected last first. */
export async function listRejectedRows(
  db: Database,
  filter: RejectedRowFilter & ListPart<PlaceInTime>,
): Promise<{ rows: (QuarantinedRow & PlaceInTime)[] } & Counted> {
  const where = matches(filter)
  const counted = await countRows(db, filter, sql`FROM rejected_rows AS rejected WHERE ${where}`)
  const behind = olderThan({ at: sql`last_rejected_at`, id: sql`rejected.id` }, filter.after)
  const rows = await db.execute<Record<string, unknown> & QuarantinedRow & PlaceInTime>(sql`
    SELECT ${columns}, ${microseconds(sql`last_rejected_at`)} AS at
      FROM (
        SELECT rejected.* FROM rejected_rows AS rejected WHERE ${allOf([where, behind])}
         ORDER BY last_rejected_at DESC, rejected.id DESC ${boundsOf(filter)}
      ) AS rejected
      ${newestRun}
     ORDER BY last_rejected_at DESC, rejected.id DESC`)
  return { rows: [...rows], ...counted }
}

/** A record's place among those that the items of a run brought. */
export interface PlaceInRun {
  itemId: number
  id: number
}

/**
 * Records in quarantine that items of a run brought, those of its last item first: in the order in which they can be read,
 * since when a record was last rejected is of any run.
 */
export async function listRejectedRowsOfRun(
  db: Database,
  runId: string,
  filter: RejectedRowFilter & ListPart<PlaceInRun>,
): Promise<{ rows: (QuarantinedRow & PlaceInRun)[] } & Counted> {
  const { after } = filter
  const where = allOf([
    isOfRun(sql`item.run_id`, sql`${runId}::uuid`),
    // A record is of its item's symbol, of which a run has one item.
    filter.symbol !== undefined && sql`item.symbol = ${filter.symbol}`,
    filter.resolved !== undefined && matches({ resolved: filter.resolved }),
  ])
  const brought = sql`ingest_items AS item JOIN item_rejected_rows AS brought ON brought.item_id = item.id`
  // What is counted need not be read, unless something is asked of it.
  const rejected = sql`JOIN rejected_rows AS rejected ON rejected.id = brought.rejected_row_id`
  const counted = await countRows(
    db,
    filter,
    sql`FROM ${brought} ${filter.resolved === undefined ? sql`` : rejected} WHERE ${where}`,
  )
  const behind =
    after !== undefined &&
    sql`item.id <= ${after.itemId}::bigint AND (item.id, brought.rejected_row_id) < (${after.itemId}::bigint, ${after.id}::bigint)`
  const rows = await db.execute<Record<string, unknown> & QuarantinedRow & PlaceInRun>(sql`
    SELECT ${columns}, rejected.item_id::float8 AS "itemId"
      FROM (
        SELECT rejected.*, item.id AS item_id FROM ${brought} ${rejected} WHERE ${allOf([where, behind])}
         ORDER BY item.run_id DESC, item.id DESC, brought.rejected_row_id DESC ${boundsOf(filter)}
      ) AS rejected
      ${newestRun}
     ORDER BY rejected.item_id DESC, rejected.id DESC`)
  return { rows: [...rows], ...counted }
}

const columns = sql`
  rejected.id::float8 AS id, newest."runId", rejected.symbol, date, raw, to_jsonb(reasons) AS reasons, times,
  ${isoInstant(sql`rejected_at`)} AS "rejectedAt", ${isoInstant(sql`last_rejected_at`)} AS "lastRejectedAt",
  ${isoInstant(sql`resolved_at`)} AS "resolvedAt"`

/** SQL: a join that gives each of the page its newest item's run. */
const newestRun = sql`
  LEFT JOIN LATERAL (
    SELECT item.run_id AS "runId"
      FROM (SELECT max(item_id) AS id FROM item_rejected_rows WHERE rejected_row_id = rejected.id) AS last
      JOIN ingest_items AS item ON item.id = last.id
  ) AS newest ON true`

function matches({ symbol, resolved }: RejectedRowFilter): SQL {
  return allOf([
    symbol !== undefined && sql`rejected.symbol = ${symbol}`,
    resolved !== undefined && (resolved ? sql`resolved_at IS NOT NULL` : sql`resolved_at IS NULL`),
  ])
}
