import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from './connection.js'
import type { FetchedOutputsize, ItemOutcome, Outputsize, Priority, WaitingFor } from './items.js'
import { isoInstant } from './instant.js'
import { countRows, microseconds, olderThan } from './list-part.js'
import type { Counted, ListPart, PlaceInTime } from './list-part.js'
import type { RunTrigger } from './runs.js'
import { WAITING_FOR } from './schema.js'
import type { ITEM_STATES, RUN_WAITING_FOR } from './schema.js'
import { isIncomplete, runWarnings, warnedItems, warningCodes } from './run-warnings.js'
import type { RunWarning, WarnedItem, WarningCode } from './run-warnings.js'
import { allOf } from './statement.js'

export type ItemState = (typeof ITEM_STATES)[number]

export interface RunCounts extends Record<ItemState, number> {
  total: number
}

export interface RowCounts {
  fetched: number
  inserted: number
  updated: number
  unchanged: number
  rejected: number
  provisional: number
}

export const RUN_STATUSES = [
  'queued',
  'running',
  'waiting_quota',
  'blocked',
  'succeeded',
  'partial',
  'failed',
  'cancelled',
] as const
export type RunStatus = (typeof RUN_STATUSES)[number]
export type RunWaitingFor = (typeof RUN_WAITING_FOR)[number]

export interface Run {
  id: string
  status: RunStatus
  trigger: RunTrigger
  outputsize: Outputsize
  force: boolean
  priority: Priority
  /** ISO 8601, UTC; so are all instants here. */
  requestedAt: string
  finishedAt: string | null
  counts: RunCounts
  rows: RowCounts
  /** Why it waits and until when, of the item that waits longest; null when none does. */
  waiting: { for: RunWaitingFor; reason: string; until: string | null } | null
  /** Why items ended failed: how many of each class. */
  failures: { class: string; count: number }[]
  /** What should be known though nothing failed. */
  warnings: RunWarning[]
}

/**
 * A run's status, from its items alone.
 * @param of.begun whether an item was ever taken
 * @param of.incomplete how many succeeded without the newest row, or without any
 */
export function runStatus(
  counts: RunCounts,
  waiting: Record<WaitingFor, number>,
  of: { begun: boolean; incomplete: number },
): RunStatus {
  if (counts.pending + counts.running > 0) {
    if (waiting.key + waiting.provider + waiting.storage > 0) return 'blocked'
    if (counts.running > 0) return 'running'
    if (waiting.quota > 0) return 'waiting_quota'
    return of.begun ? 'running' : 'queued'
  }
  // Items are cancelled only with their whole run.
  if (counts.cancelled > 0) return 'cancelled'
  if (counts.failed === 0) return of.incomplete > 0 ? 'partial' : 'succeeded'
  return counts.succeeded === 0 ? 'failed' : 'partial'
}

/** @returns null when there is no such run */
export async function getRun(db: Database, id: string): Promise<Run | null> {
  const [run] = await selectRuns(db, sql`WHERE id = ${id}::uuid`)
  return run ?? null
}

/** Newest first. */
export async function listRuns(
  db: Database,
  part: ListPart<PlaceInTime<string>>,
): Promise<{ runs: (Run & PlaceInTime<string>)[] } & Counted> {
  const counted = await countRows(db, part, sql`FROM ingest_runs`)
  const behind = olderThan({ at: sql`requested_at`, id: sql`id` }, part.after)
  const runs = await selectRuns(
    db,
    sql`WHERE ${allOf([behind])} ORDER BY requested_at DESC, id DESC LIMIT ${part.limit} OFFSET ${part.offset ?? 0}`,
  )
  return { runs, ...counted }
}

type RunRow = Record<string, unknown> &
  Omit<Run & PlaceInTime<string>, 'status' | 'failures' | 'warnings'> & {
    begun: boolean
    incomplete: number
    warnedItems: WarnedItem[] | null
    waitingItems: Record<WaitingFor, number>
    failures: Run['failures'] | null
  }

/** SQL: name and count of what a run's items wait for, in turn. */
const waitingCounts = sql.raw(
  WAITING_FOR.map(
    (what) => `'${what}', count(*) FILTER (WHERE state = 'pending' AND waiting_for = '${what}')`,
  ).join(', '),
)

async function selectRuns(db: Database, which: SQL): Promise<(Run & PlaceInTime<string>)[]> {
  const rows = await db.execute<RunRow>(sql`
    SELECT run.id, run.trigger, run.outputsize, run.force, run.priority, ${isoInstant(sql`run.requested_at`)} AS "requestedAt", ${microseconds(sql`run.requested_at`)} AS at,
           item.*, failure.failures, waiting.waiting
      FROM (SELECT * FROM ingest_runs ${which}) AS run
      CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(claim > 0), false) AS begun, (count(*) FILTER (WHERE ${isIncomplete}))::float8 AS incomplete, ${warnedItems} AS "warnedItems",
               CASE WHEN count(finished_at) = count(*) THEN ${isoInstant(sql`max(finished_at)`)} END AS "finishedAt",
               jsonb_build_object('total', count(*),
                 'pending', count(*) FILTER (WHERE state = 'pending'), 'running', count(*) FILTER (WHERE state = 'running'),
                 'succeeded', count(*) FILTER (WHERE state = 'succeeded'), 'failed', count(*) FILTER (WHERE state = 'failed'),
                 'cancelled', count(*) FILTER (WHERE state = 'cancelled')) AS counts,
               jsonb_build_object(${waitingCounts}) AS "waitingItems",
               jsonb_build_object('fetched', coalesce(sum(rows_fetched), 0), 'inserted', coalesce(sum(rows_inserted), 0),
                 'updated', coalesce(sum(rows_updated), 0), 'unchanged', coalesce(sum(rows_unchanged), 0),
                 'rejected', coalesce(sum(rows_rejected), 0), 'provisional', coalesce(sum(rows_provisional), 0)) AS rows
          FROM ingest_items WHERE run_id = run.id
      ) AS item
      LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('class', class, 'count', count) ORDER BY count DESC, class) AS failures
          FROM (
            SELECT last.class, count(*)
              FROM ingest_items AS failed
             CROSS JOIN LATERAL (SELECT class FROM ingest_failures WHERE item_id = failed.id ORDER BY id DESC LIMIT 1) AS last
             WHERE failed.run_id = run.id AND failed.state = 'failed' GROUP BY last.class
          ) AS by_class
      ) AS failure ON true
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('for', waiting_for, 'reason', waiting_reason, 'until', ${isoInstant(sql`next_attempt_at`)}) AS waiting
          FROM ingest_items WHERE run_id = run.id AND state = 'pending' AND waiting_for IS NOT NULL
         ORDER BY waiting_for <> 'quota' DESC, next_attempt_at DESC LIMIT 1
      ) AS waiting ON true
     ORDER BY run.requested_at DESC, run.id DESC`)
  return rows.map(({ begun, incomplete, warnedItems: warned, waitingItems, failures, ...run }) => ({
    ...run,
    failures: failures ?? [],
    warnings: runWarnings(warned ?? []),
    status: runStatus(run.counts, waitingItems, { begun, incomplete }),
  }))
}

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
  /** What should be known though it did not fail. */
  warnings: WarningCode[]
  /** Of the newest failed attempt, final or not. */
  error: { class: string; detail: string; advice: string } | null
}

/** In the order of the request. */
export async function listItems(
  db: Database,
  runId: string,
  part: { state?: ItemState | undefined } & ListPart<{ id: number }>,
): Promise<{ items: Item[] } & Counted> {
  const where = allOf([sql`run_id = ${runId}::uuid`, part.state !== undefined && sql`state = ${part.state}`])
  // All are counted: a run has at most as many.
  const counted = await countRows(db, part, sql`FROM ingest_items WHERE ${where}`)
  const behind = part.after !== undefined && sql`id > ${part.after.id}::bigint`
  const rows = await db.execute<Record<string, unknown> & Item>(sql`
    SELECT item.id::float8 AS id, item.symbol, item.state, item.attempts, item.outputsize, item.outcome,
           item.history_limited AS "historyLimited", item.waiting_for AS "waitingFor", item.waiting_reason AS "waitingReason",
           ${isoInstant(sql`item.next_attempt_at`)} AS "nextAttemptAt", ${isoInstant(sql`item.started_at`)} AS "startedAt", ${isoInstant(sql`item.finished_at`)} AS "finishedAt",
           jsonb_build_object('fetched', rows_fetched, 'inserted', rows_inserted, 'updated', rows_updated,
             'unchanged', rows_unchanged, 'rejected', rows_rejected, 'provisional', rows_provisional) AS rows,
           ${warningCodes} AS warnings, failure.error
      FROM (SELECT * FROM ingest_items WHERE ${allOf([where, behind])} ORDER BY id LIMIT ${part.limit} OFFSET ${part.offset ?? 0}) AS item
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('class', class, 'detail', detail, 'advice', advice) AS error
          FROM ingest_failures WHERE item_id = item.id ORDER BY id DESC LIMIT 1
      ) AS failure ON true
     ORDER BY item.id`)
  return { items: [...rows], ...counted }
}
