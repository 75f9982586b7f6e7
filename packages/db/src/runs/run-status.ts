import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type {
  FetchedOutputsize,
  ItemOutcome,
  ItemState,
  Outputsize,
  Priority,
  RunTrigger,
  RunWaitingFor,
  WaitingFor,
  WarningCode,
} from '@stockpile/domain/run'
import { readCauses } from '../operations/causes.js'
import type { Cause } from '../operations/causes.js'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows, microseconds, olderThan } from '../database/list-part.js'
import type { Counted, ListPart, PlaceInTime } from '../database/list-part.js'
import { totalsOfRun } from './run-totals.js'
import { runWarnings, sampledWarnings } from './run-warnings.js'
import type { RunWarning, SampledWarning } from './run-warnings.js'
import { storageAdvice } from '../database/storage-trouble.js'
import { allOf } from '../database/statement.js'

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

export interface RunWait {
  for: RunWaitingFor
  /** Of the cause; null for the quota's shorter limits, within which work goes on. */
  class: string | null
  reason: string
  since: string | null
  until: string | null
  /** What a person should do; null where that is nothing. */
  advice: string | null
}

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
  /**
   * Why it waits: for what lets nothing at all be sent; for a lock on the rows of all that is left of it; or for room in the
   * quota, of its item that waits longest. Null while some of it may go on.
   */
  waiting: RunWait | null
  /** Why items ended failed: how many of each class. */
  failures: { class: string; count: number }[]
  /** What should be known though nothing failed. */
  warnings: RunWarning[]
}

/**
 * A run's status, from its items and the first cause that lets nothing be sent.
 * @param waiting.quota whether a pending item waits for room in the quota
 * @param of.begun whether an item was ever taken
 * @param of.incomplete whether one succeeded without the newest row, or without any
 */
export function runStatus(
  counts: RunCounts,
  waiting: { quota: boolean; cause: RunWaitingFor | null },
  of: { begun: boolean; incomplete: boolean },
): RunStatus {
  if (counts.pending + counts.running > 0) {
    if (waiting.cause !== null && waiting.cause !== 'quota') return 'blocked'
    if (counts.running > 0) return 'running'
    if (waiting.quota || waiting.cause === 'quota') return 'waiting_quota'
    return of.begun ? 'running' : 'queued'
  }
  // Items are cancelled only with their whole run.
  if (counts.cancelled > 0) return 'cancelled'
  if (counts.failed === 0) return of.incomplete ? 'partial' : 'succeeded'
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
    sql`WHERE ${allOf([behind])} ORDER BY requested_at DESC, id DESC ${boundsOf(part)}`,
  )
  return { runs, ...counted }
}

type RunRow = Record<string, unknown> &
  Omit<Run & PlaceInTime<string>, 'status' | 'failures' | 'warnings' | 'waiting'> & {
    begun: boolean
    incomplete: boolean
    sampled: SampledWarning[] | null
    quotaWait: Pick<RunWait, 'reason' | 'until'> | null
    /** Who holds a lock on the rows of all that is left of it; null when something of it may go on. */
    heldUpBy: string | null
    failures: Run['failures'] | null
  }

const FINISHED_STATES = '{succeeded,failed,cancelled}'

/**
 * `waiting` is of the item that waits longest for room in a minute. A longer wait for the quota that is one of all workers
 * is a cause; else it was of one worker alone, whose day is spent, and another may take the item at once.
 */
async function selectRuns(db: Database, which: SQL): Promise<(Run & PlaceInTime<string>)[]> {
  const rows = await db.execute<RunRow>(sql`
    SELECT run.id, run.trigger, run.outputsize, run.force, run.priority, ${isoInstant(sql`run.requested_at`)} AS "requestedAt", ${microseconds(sql`run.requested_at`)} AS at,
           jsonb_build_object('total', pending + running + succeeded + failed + cancelled, 'pending', pending, 'running', running,
             'succeeded', succeeded, 'failed', failed, 'cancelled', cancelled) AS counts,
           jsonb_build_object('fetched', rows_fetched, 'inserted', rows_inserted, 'updated', rows_updated,
             'unchanged', rows_unchanged, 'rejected', rows_rejected, 'provisional', rows_provisional) AS rows,
           counted.begun > 0 AS begun, newest_row_rejected + nothing_stored > 0 AS incomplete, counted.failures,
           ${sampledWarnings} AS sampled, ${isoInstant(sql`ended.at`)} AS "finishedAt", waiting.wait AS "quotaWait", held.by AS "heldUpBy"
      FROM (SELECT * FROM ingest_runs ${which}) AS run
     CROSS JOIN LATERAL (${totalsOfRun}) AS counted
      LEFT JOIN LATERAL (
        SELECT max(last.finished_at) AS at
          FROM unnest(${FINISHED_STATES}::text::text[]) AS of(state)
         CROSS JOIN LATERAL (
           SELECT finished_at FROM ingest_items
            WHERE run_id = run.id AND ingest_items.state = of.state ORDER BY finished_at DESC LIMIT 1) AS last
      ) AS ended ON pending + running = 0
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('reason', waiting_reason, 'until', ${isoInstant(sql`next_attempt_at`)}) AS wait
          FROM (
            SELECT * FROM ingest_items
             WHERE state = 'pending' AND waiting_for = 'quota' AND (run_id, next_attempt_at) < (run.id, now() + interval '2 minutes')
             ORDER BY run_id DESC, next_attempt_at DESC LIMIT 1
          ) AS longest WHERE longest.run_id = run.id
      ) AS waiting ON pending > 0
      LEFT JOIN LATERAL (
        SELECT CASE WHEN bool_and(waiting_for IS NOT DISTINCT FROM 'storage') THEN min(waiting_reason) END AS by
          FROM ingest_items WHERE run_id = run.id AND state = 'running' AND pending = 0 AND running > 0
      ) AS held ON true
     ORDER BY run.requested_at DESC, run.id DESC`)
  const causes = rows.some((run) => run.finishedAt === null) ? await readCauses(db) : []
  return rows.map((row) => runUnder(row, causes[0] ?? null))
}

/**
 * What lets nothing be sent holds for every unfinished run, whatever its items last waited for: that is what it says,
 * and no longer than it is so. What only some workers wait for, or the running items, is no wait of the run.
 */
function runUnder(row: RunRow, cause: Cause | null): Run & PlaceInTime<string> {
  const { begun, incomplete, sampled, quotaWait, heldUpBy, failures, ...run } = row
  const waiting = { quota: quotaWait !== null, cause: cause?.for ?? null }
  return {
    ...run,
    failures: failures ?? [],
    warnings: runWarnings(sampled ?? []),
    status: runStatus(run.counts, waiting, { begun, incomplete }),
    waiting: waitUnder(run, cause, { quotaWait, heldUpBy }),
  }
}

function waitUnder(
  { counts, finishedAt }: Pick<Run, 'counts' | 'finishedAt'>,
  cause: Cause | null,
  { quotaWait, heldUpBy }: Pick<RunRow, 'quotaWait' | 'heldUpBy'>,
): RunWait | null {
  if (finishedAt !== null) return null
  if (cause !== null && (cause.for !== 'quota' || counts.running === 0)) {
    const { detail: reason, ...rest } = cause
    return { reason, ...rest }
  }
  if (heldUpBy !== null)
    return {
      for: 'storage',
      class: 'locked',
      reason: heldUpBy,
      since: null,
      until: null,
      advice: storageAdvice('locked'),
    }
  return quotaWait === null ? null : { for: 'quota', class: null, since: null, advice: null, ...quotaWait }
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
           to_jsonb(warning_codes) AS warnings, failure.error
      FROM (SELECT * FROM ingest_items WHERE ${allOf([where, behind])} ORDER BY id ${boundsOf(part)}) AS item
      LEFT JOIN LATERAL (
        SELECT jsonb_build_object('class', class, 'detail', detail, 'advice', advice) AS error
          FROM ingest_failures WHERE item_id = item.id ORDER BY id DESC LIMIT 1
      ) AS failure ON true
     ORDER BY item.id`)
  return { items: [...rows], ...counted }
}
