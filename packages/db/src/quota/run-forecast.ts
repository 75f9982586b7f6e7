import { sql } from 'drizzle-orm'
import { PRIORITIES } from '@stockpile/domain/run'
import type { Cause } from '../operations/causes.js'
import type { Database } from '../database/connection.js'
import { epochMs, forecastBook, idleSince, readBook } from './ledger-entries.js'
import type { QuotaBook } from './ledger-entries.js'
import type { Run } from '../runs/run-status.js'

/** When the last request will have been sent: ISO 8601, UTC; or why nobody can say, in a sentence. Both null: there is none. */
export interface Estimate {
  at: string | null
  unknownBecause: string | null
}

const NONE: Estimate = { at: null, unknownBecause: null }

/**
 * Unfinished runs, and how many requests are sent until the last of each, in the order of spending: priority, then age.
 * By run, since an order of all items takes four times as long. A running item whose request is in the book already
 * needs no other; a minute later its worker was lost. With since when an item of it waits for nothing but its turn, and
 * when the last is tried again.
 */
const backlog = sql`
  SELECT waiting.run_id, waiting.items, waiting.attempt_at,
         CASE WHEN has_fresh THEN run.requested_at ELSE waiting.due_since END AS due_since,
         sum(waiting.requests) OVER (
           ORDER BY array_position(${`{${PRIORITIES.join(',')}}`}::text::text[], run.priority), waiting.last_id) AS requests
    FROM (
      SELECT run_id, max(id) AS last_id, count(*) AS items,
             count(*) FILTER (WHERE state = 'pending' OR id NOT IN (
               SELECT item_id FROM provider_requests
                WHERE slot_at > now() - interval '1 minute' AND item_id IS NOT NULL
                  AND coalesce(outcome, 'accepted') = 'accepted')) AS requests,
             coalesce(bool_or(state = 'pending' AND next_attempt_at IS NULL AND dispatched_at IS NULL), false) AS has_fresh,
             min(coalesce(next_attempt_at, dispatched_at)) FILTER (WHERE state = 'pending') AS due_since,
             max(next_attempt_at) FILTER (WHERE state = 'pending') AS attempt_at
        FROM ingest_items WHERE state IN ('pending', 'running') GROUP BY run_id
    ) AS waiting
    JOIN ingest_runs AS run ON run.id = waiting.run_id`

/**
 * When the last request of each run will have been sent, from the book, the limits, what is ahead of the run and when its
 * items are tried again; none of a finished run. Nobody can say while something else than the quota is waited for, or
 * while nothing is sent and nothing says why.
 */
export async function forecastRuns(
  db: Database,
  runs: readonly Pick<Run, 'id' | 'status' | 'waiting' | 'finishedAt'>[],
): Promise<Map<string, Estimate>> {
  const estimates = new Map(runs.map((run) => [run.id, run.finishedAt === null ? unknown(run) : NONE]))
  const going = runs.filter((run) => run.finishedAt === null && run.status !== 'blocked')
  if (going.length === 0) return estimates
  const ahead = await db.execute<{
    runId: string
    requests: number
    attemptAt: number | null
    dueSince: number | null
  }>(sql`
    SELECT run_id AS "runId", requests::float8 AS requests, ${epochMs(sql`attempt_at`)} AS "attemptAt", "dueSince"
      FROM (SELECT *, ${epochMs(sql`min(due_since) OVER ()`)} AS "dueSince" FROM (${backlog}) AS backlog) AS backlog
     WHERE run_id = ANY(${`{${going.map((run) => run.id).join(',')}}`}::text::uuid[])`)
  const [first] = ahead
  if (first === undefined) return estimates
  const book = await readBook(db)
  const idle = idleBecause(book, first.dueSince)
  const instants = forecastBook(
    book,
    ahead.map((run) => run.requests),
  )
  for (const [index, { runId, attemptAt }] of ahead.entries()) {
    const slot = instants[index]
    if (slot === undefined) continue
    const again = attemptAt === null ? slot : new Date(attemptAt).toISOString()
    estimates.set(
      runId,
      idle === null
        ? { at: again > slot ? again : slot, unknownBecause: null }
        : { at: null, unknownBecause: idle },
    )
  }
  return estimates
}

function unknown({ waiting }: Pick<Run, 'waiting'>): Estimate {
  return { at: null, unknownBecause: waiting?.reason ?? null }
}

/** When the last request of all that is unfinished will have been sent. */
export function forecastBacklog(book: QuotaBook, backlogged: Backlog, causes: readonly Cause[]): Estimate {
  const [cause] = causes.filter((one) => one.for !== 'quota')
  const unknownBecause = cause?.detail ?? idleBecause(book, backlogged.dueSince)
  if (unknownBecause !== null) return { at: null, unknownBecause }
  const at =
    backlogged.items === 0 ? new Date(book.now).toISOString() : forecastBook(book, [backlogged.requests])[0]
  return { at: at ?? null, unknownBecause: null }
}

function idleBecause(book: QuotaBook, dueSince: number | null): string | null {
  const since = idleSince(book, dueSince)
  return since === null
    ? null
    : `Nothing has been sent since ${new Date(since).toISOString()}, though items wait and the limits have room: look whether the queue is up, and at the log of the worker.`
}

export interface Backlog {
  items: number
  requests: number
  /** Since when an item waits for nothing but its turn, in milliseconds since 1970; null when none does. */
  dueSince: number | null
}

/** What is unfinished, and how many requests it takes. */
export async function countBacklog(db: Database): Promise<Backlog> {
  const [total] = await db.execute<Record<string, unknown> & Backlog>(sql`
    SELECT coalesce(sum(items), 0)::float8 AS items, coalesce(max(requests), 0)::float8 AS requests,
           ${epochMs(sql`min(due_since)`)} AS "dueSince" FROM (${backlog}) AS backlog`)
  return total ?? { items: 0, requests: 0, dueSince: null }
}
