import { sql } from 'drizzle-orm'
import type { ItemOutcome, ItemState, WarningCode } from '@stockpile/domain/item'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { WaitingFor } from '@stockpile/domain/waiting'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows } from '../database/list-part.js'
import type { Counted, ListPart } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

/** How many rows of an answer, or of all answers of a run, became what. */
export interface RowCounts {
  fetched: number
  inserted: number
  updated: number
  unchanged: number
  rejected: number
  /** Bars of sessions that may be open, which are left out. */
  provisional: number
}

/** SQL: the columns of row counts as RowCounts. */
export const rowCounts = sql`jsonb_build_object('fetched', rows_fetched, 'inserted', rows_inserted, 'updated', rows_updated,
  'unchanged', rows_unchanged, 'rejected', rows_rejected, 'provisional', rows_provisional)`

/** An item as it is shown. Instants are ISO 8601, UTC. */
export interface Item {
  id: number
  symbol: string
  state: ItemState
  attempts: number
  outputsize: FetchedOutputsize | null
  outcome: ItemOutcome | null
  historyLimited: boolean
  waitingFor: WaitingFor | null
  waitingReason: string | null
  nextAttemptAt: string | null
  startedAt: string | null
  finishedAt: string | null
  rows: RowCounts
  /** What a person should know of the item though it did not fail. */
  warnings: WarningCode[]
  /** The newest failed attempt, final or not; null when none failed. */
  error: { class: string; detail: string; advice: string } | null
}

/** Lists items of a run, in the order of the request. */
export async function listItems(
  db: Database,
  runId: string,
  part: { state?: ItemState | undefined } & ListPart<{ id: number }>,
): Promise<{ items: Item[] } & Counted> {
  const where = allOf([sql`run_id = ${runId}::uuid`, part.state !== undefined && sql`state = ${part.state}`])
  // The count is exact, since a run has at most 10,000 items.
  const counted = await countRows(db, part, sql`FROM ingest_items WHERE ${where}`)
  const behind = part.after !== undefined && sql`id > ${part.after.id}::bigint`
  const rows = await db.execute<Record<string, unknown> & Item>(sql`
    SELECT item.id::float8 AS id, item.symbol, item.state, item.attempts, item.outputsize, item.outcome,
           item.history_limited AS "historyLimited", item.waiting_for AS "waitingFor", item.waiting_reason AS "waitingReason",
           ${isoInstant(sql`item.next_attempt_at`)} AS "nextAttemptAt", ${isoInstant(sql`item.started_at`)} AS "startedAt", ${isoInstant(sql`item.finished_at`)} AS "finishedAt",
           ${rowCounts} AS rows,
           to_jsonb(warning_codes) AS warnings, failure.error
      FROM (SELECT * FROM ingest_items WHERE ${allOf([where, behind])} ORDER BY id ${boundsOf(part)}) AS item
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('class', class, 'detail', detail, 'advice', advice) AS error
          FROM ingest_failures WHERE item_id = item.id ORDER BY id DESC LIMIT 1
      ) AS failure ON true
     ORDER BY item.id`)
  return { items: [...rows], ...counted }
}

/** How much is unfinished. */
export interface Unfinished {
  runs: number
  /** Items of these runs that are unfinished. */
  items: number
}

/** Counts the unfinished runs and their unfinished items. */
export async function countUnfinished(db: Database): Promise<Unfinished> {
  const [counted] = await db.execute<Record<string, unknown> & Unfinished>(sql`
    SELECT count(DISTINCT run_id)::int AS runs, count(*)::int AS items
      FROM ingest_items WHERE state IN ('pending', 'running')`)
  return counted ?? { runs: 0, items: 0 }
}
