import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { ItemState } from '@stockpile/domain/item'
import type { Outputsize, Priority, RunStatus, RunTrigger } from '@stockpile/domain/run'
import type { RunWaitingFor } from '@stockpile/domain/waiting'
import type { Cause } from '@stockpile/domain/cause'
import { readCauses } from '../operations/causes.js'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows, microseconds, olderThan } from '../database/list-part.js'
import type { Counted, ListPart, PlaceInTime } from '../database/list-part.js'
import { rowCounts } from './run-items.js'
import type { RowCounts } from './run-items.js'
import { totalsOfRun } from './run-totals.js'
import { runWarnings, sampledWarnings } from './run-warnings.js'
import type { RunWarning, SampledWarning } from './run-warnings.js'
import { storageAdvice } from '../database/storage-trouble.js'
import { allOf } from '../database/statement.js'

/** How many items of a run are in each state, and in all. */
export interface RunCounts extends Record<ItemState, number> {
  total: number
}

/** Why an unfinished run waits. */
export interface RunWait {
  for: RunWaitingFor
  /** The class of the cause; null for room in a second or a minute, for which a run never waits long. */
  class: string | null
  reason: string
  since: string | null
  until: string | null
  /** What a person should do; null when there is nothing to do. */
  advice: string | null
}

/** A run as it is shown. Instants are ISO 8601, UTC. */
export interface Run {
  id: string
  status: RunStatus
  trigger: RunTrigger
  outputsize: Outputsize
  force: boolean
  priority: Priority
  requestedAt: string
  finishedAt: string | null
  counts: RunCounts
  rows: RowCounts
  /**
   * Why the run waits: for the cause that lets nothing be sent; for a lock on the rows of all its unfinished items; or for
   * room in the quota, as long as the item that waits longest. Null while an item may go on.
   */
  waiting: RunWait | null
  /** How many items ended failed, by the class of their newest failure. */
  failures: { class: string; count: number }[]
  /** What a person should know though nothing failed. */
  warnings: RunWarning[]
}

/**
 * Tells a run's status from its items and from the first cause that lets nothing be sent.
 * @param waiting.quota whether a pending item waits for room in the quota
 * @param waiting.cause what the first cause waits for; null when there is no cause
 * @param of.begun whether an item was ever taken
 * @param of.incomplete whether an item succeeded without its newest row, or without any row
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

/** Reads a run; null when there is no such run. */
export async function getRun(db: Database, id: string): Promise<Run | null> {
  const [run] = await selectRuns(db, sql`WHERE id = ${id}::uuid`)
  return run ?? null
}

/** Lists runs, newest first. */
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
    /** Which process locks the rows of all unfinished items, in a sentence; null while an item may go on. */
    lockedBy: string | null
    failures: Run['failures'] | null
  }

const FINISHED_STATES = '{succeeded,failed,cancelled}'

/**
 * Reads runs with their waits. `quotaWait` is the wait of the item that waits longest for room in a second or a minute.
 * Longer waits for the quota are left out: common to all workers they are a cause, and a wait of one worker whose day is
 * spent ends as soon as another worker takes the item.
 */
async function selectRuns(db: Database, which: SQL): Promise<(Run & PlaceInTime<string>)[]> {
  const rows = await db.execute<RunRow>(sql`
    SELECT run.id, run.trigger, run.outputsize, run.force, run.priority, ${isoInstant(sql`run.requested_at`)} AS "requestedAt", ${microseconds(sql`run.requested_at`)} AS at,
           jsonb_build_object('total', pending + running + succeeded + failed + cancelled, 'pending', pending, 'running', running,
             'succeeded', succeeded, 'failed', failed, 'cancelled', cancelled) AS counts,
           ${rowCounts} AS rows,
           counted.begun > 0 AS begun, newest_row_rejected + nothing_stored > 0 AS incomplete, counted.failures,
           ${sampledWarnings} AS sampled, ${isoInstant(sql`ended.at`)} AS "finishedAt", waiting.wait AS "quotaWait", held.by AS "lockedBy"
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
 * Puts a run under the cause that lets nothing be sent: every unfinished run waits for the cause, whatever its items waited
 * for last, and only as long as the cause lasts.
 */
function runUnder(row: RunRow, cause: Cause | null): Run & PlaceInTime<string> {
  const { begun, incomplete, sampled, quotaWait, lockedBy, failures, ...run } = row
  const waiting = { quota: quotaWait !== null, cause: cause?.for ?? null }
  return {
    ...run,
    failures: failures ?? [],
    warnings: runWarnings(sampled ?? []),
    status: runStatus(run.counts, waiting, { begun, incomplete }),
    waiting: waitUnder(run, cause, { quotaWait, lockedBy }),
  }
}

function waitUnder(
  { counts, finishedAt }: Pick<Run, 'counts' | 'finishedAt'>,
  cause: Cause | null,
  { quotaWait, lockedBy }: Pick<RunRow, 'quotaWait' | 'lockedBy'>,
): RunWait | null {
  if (finishedAt !== null) return null
  if (cause !== null && (cause.for !== 'quota' || counts.running === 0)) {
    const { detail: reason, ...rest } = cause
    return { reason, ...rest }
  }
  if (lockedBy !== null)
    return {
      for: 'storage',
      class: 'locked',
      reason: lockedBy,
      since: null,
      until: null,
      advice: storageAdvice('locked'),
    }
  return quotaWait === null ? null : { for: 'quota', class: null, since: null, advice: null, ...quotaWait }
}
