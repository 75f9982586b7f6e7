import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows, isOfRun, microseconds, olderThan } from '../database/list-part.js'
import type { Counted, ListPart, PlaceInTime } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

/** A record in quarantine. Instants are ISO 8601, UTC. */
export interface QuarantinedRow {
  id: number
  /** The run of the newest item that brought the record; null when its items were deleted for their age. */
  runId: string | null
  symbol: string
  date: string | null
  raw: unknown
  reasons: string[]
  /** How many items brought the record. */
  times: number
  rejectedAt: string
  lastRejectedAt: string
  /** When a sound row came for the day; null while none has come. */
  resolvedAt: string | null
}

export interface RejectedRowFilter {
  symbol?: string | undefined
  resolved?: boolean | undefined
}

/** Lists records in quarantine; a record that was rejected last comes first. */
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

/** The place of a record in the list of those that the items of a run brought. */
export interface PlaceInRun {
  itemId: number
  id: number
}

/**
 * Lists records in quarantine that items of a run brought, those of its last item first. An index has this order; none has
 * the order of the last rejection within a run, since any run may reject a record again.
 */
export async function listRejectedRowsOfRun(
  db: Database,
  runId: string,
  filter: RejectedRowFilter & ListPart<PlaceInRun>,
): Promise<{ rows: (QuarantinedRow & PlaceInRun)[] } & Counted> {
  const { after } = filter
  const where = allOf([
    isOfRun(sql`item.run_id`, sql`${runId}::uuid`),
    // A run has one item of a symbol, and a record has the symbol of its item.
    filter.symbol !== undefined && sql`item.symbol = ${filter.symbol}`,
    filter.resolved !== undefined && matches({ resolved: filter.resolved }),
  ])
  const brought = sql`ingest_items AS item JOIN item_rejected_rows AS brought ON brought.item_id = item.id`
  // The records themselves are joined only when the filter needs them.
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

/** SQL: a join that gives each record the run of its newest item. */
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
