import { sql } from 'drizzle-orm'
import { PRIORITIES } from '@stockpile/domain/run'
import type { Cause } from '@stockpile/domain/cause'
import type { Database } from '../database/connection.js'
import { epochMs, readLedger } from './ledger-state.js'
import type { LedgerState } from './ledger-state.js'
import { forecast, nextSlot } from './slots.js'
import type { Run } from '../runs/run-status.js'

/** When the last request will have been sent (ISO 8601, UTC), or why nobody can say (a sentence). Both are null when no request is left. */
export interface Estimate {
  at: string | null
  unknownBecause: string | null
}

const NONE: Estimate = { at: null, unknownBecause: null }

/**
 * SQL: a row for each unfinished run. `requests` counts what is sent until its last request, in the order of spending:
 * priority, then age. `due_since`: since when an item waits for nothing but its turn. `attempt_at`: when its last item is
 * due. By run, since an order of all items takes four times as long. A running item whose request the ledger has
 * needs no other request, for a minute: after that its worker counts as lost.
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
 * Estimates when the last request of each run will have been sent, from the ledger, the limits, what is ahead of the run and
 * when its items are due. Nobody can say while a run waits for something other than the quota, or while nothing is sent
 * without a known cause.
 * @returns an estimate for each run, by its id; a finished run has no request left
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
  const ledger = await readLedger(db)
  const idle = idleBecause(ledger, first.dueSince)
  const instants = sentInstants(
    ledger,
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

/** Estimates when the last request of all unfinished items will have been sent. */
export function forecastBacklog(
  ledger: LedgerState,
  backlogged: Backlog,
  causes: readonly Cause[],
): Estimate {
  const [cause] = causes.filter((one) => one.for !== 'quota')
  const unknownBecause = cause?.detail ?? idleBecause(ledger, backlogged.dueSince)
  if (unknownBecause !== null) return { at: null, unknownBecause }
  const at =
    backlogged.items === 0
      ? new Date(ledger.now).toISOString()
      : sentInstants(ledger, [backlogged.requests])[0]
  return { at: at ?? null, unknownBecause: null }
}

/** A request that is sent now is answered and stored no sooner: an earlier instant would be past when it is read. */
const SOONEST_MS = 2_000

/**
 * When the last of so many further requests will have been sent, if each takes the first slot that fits. An estimate, since
 * others may spend from the quota too; it holds while nothing but the limits delays requests.
 * @param counts numbers of requests; 0: all were sent, and the last is not stored yet
 * @returns an instant for each count: ISO 8601, UTC
 */
function sentInstants(ledger: LedgerState, counts: readonly number[]): string[] {
  const slots = forecast({ ...ledger, requests: Math.max(0, ...counts) })
  const soonest = ledger.now + SOONEST_MS
  return counts.map((count) =>
    new Date(Math.ceil(Math.max(slots[count - 1] ?? soonest, soonest))).toISOString(),
  )
}

/** Until then a request that nothing delays is on its way. */
const IDLE_MS = 20_000

/**
 * Since when nothing was sent though the limits have room, in milliseconds since 1970; null when that is less than 20 s.
 * @param dueSince since when an item waits for nothing but its turn; null when none does
 */
function idleSince(ledger: LedgerState, dueSince: number | null): number | null {
  if (
    dueSince === null ||
    ledger.blockedUntil !== null ||
    nextSlot(ledger.sent, ledger.limits, ledger.now) > ledger.now
  )
    return null
  const since = Math.max(dueSince, ledger.lastSentAt ?? dueSince)
  return ledger.now - since > IDLE_MS ? since : null
}

function idleBecause(ledger: LedgerState, dueSince: number | null): string | null {
  const since = idleSince(ledger, dueSince)
  return since === null
    ? null
    : `Nothing has been sent since ${new Date(since).toISOString()}, though items wait and the limits have room: look whether the queue is up, and at the log of the worker.`
}

/** What is unfinished. */
export interface Backlog {
  items: number
  /** How many requests the items take. */
  requests: number
  /** Since when an item waits for nothing but its turn, in milliseconds since 1970; null when none does. */
  dueSince: number | null
}

/** Counts what is unfinished, and how many requests it takes. */
export async function countBacklog(db: Database): Promise<Backlog> {
  const [total] = await db.execute<Record<string, unknown> & Backlog>(sql`
    SELECT coalesce(sum(items), 0)::float8 AS items, coalesce(max(requests), 0)::float8 AS requests,
           ${epochMs(sql`min(due_since)`)} AS "dueSince" FROM (${backlog}) AS backlog`)
  return total ?? { items: 0, requests: 0, dueSince: null }
}
