import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Outputsize, Priority, RunTrigger } from '@stockpile/domain/run'
import type { Database, Transaction } from '../database/connection.js'
import type { DispatchableItem } from './dispatch.js'
import { needlessFor, insertKnownFailures, knownFailure } from './needless.js'

/** What a run asks for. */
export interface RunRequest {
  symbols: readonly string[]
  trigger: RunTrigger
  outputsize: Outputsize
  force: boolean
  priority: Priority
}

/** An advisory lock, "START" in ASCII: of the workers that start at the same time, one makes the first run. */
const START_RUN_LOCK = 0x5354415254

/**
 * Commits a run and its items, so that the run cannot be lost, whatever becomes of the queue. Items for which no request
 * could bring anything new finish at once as up to date, and items whose answer is a known failure finish as failed.
 * @returns the items that need a request
 * @throws RangeError without symbols
 */
export async function createRun(
  db: Database,
  request: RunRequest,
): Promise<{ id: string; items: DispatchableItem[] }> {
  if (request.symbols.length === 0) throw new RangeError('a run needs at least one symbol')
  // A worker resolves `auto`, since a worker knows its plan.
  const asked = request.outputsize === 'auto' ? null : request.outputsize
  const knownFailureOf = (symbol: SQL) => knownFailure(symbol, sql`${asked}::text`)
  const rows = await db.execute<{ id: number; runId: string; symbol: string; pending: boolean }>(sql`
    WITH run AS (
      INSERT INTO ingest_runs (trigger, outputsize, force, priority)
      VALUES (${request.trigger}, ${request.outputsize}, ${request.force}, ${request.priority}) RETURNING *
    ), item AS (
      INSERT INTO ingest_items (run_id, symbol, had_rows, state, outcome, finished_at)
      SELECT run.id, requested.symbol, coalesce(known.row_count, 0) > 0,
             CASE WHEN needless.outcome IS NOT NULL THEN 'succeeded' WHEN failure.id IS NOT NULL THEN 'failed' ELSE 'pending' END,
             needless.outcome, CASE WHEN needless.outcome IS NOT NULL OR failure.id IS NOT NULL THEN now() END
        FROM run, jsonb_array_elements_text(${JSON.stringify(request.symbols)}::text::jsonb) WITH ORDINALITY AS requested(symbol, position)
        LEFT JOIN symbols AS known ON known.symbol = requested.symbol COLLATE "C"
       CROSS JOIN LATERAL (SELECT ${needlessFor(sql`run`, sql`known`, sql`run.outputsize = 'full'`)} AS outcome) AS needless
       CROSS JOIN LATERAL (SELECT CASE WHEN NOT run.force THEN ${knownFailureOf(sql`requested.symbol COLLATE "C"`)} END AS id) AS failure
       ORDER BY requested.position
      RETURNING id, run_id, symbol, state
    ), told AS (
      ${insertKnownFailures(sql`
        SELECT item.id AS item_id, item.run_id, item.symbol, ${knownFailureOf(sql`item.symbol`)} AS failure_id
          FROM item WHERE item.state = 'failed'`)}
    )
    SELECT id::float8 AS id, run_id AS "runId", symbol, state = 'pending' AS pending FROM item ORDER BY id`)
  const [first] = rows
  if (first === undefined) throw new Error('no item was made')
  const items = rows
    .filter((row) => row.pending)
    .map(({ id, runId, symbol }) => ({ id, runId, symbol, priority: request.priority }))
  return { id: first.runId, items }
}

/**
 * Makes the first run of a start: the symbols that nobody has asked for yet.
 * @returns the run's id; null when all symbols were asked for
 */
export async function createStartRun(db: Database, symbols: readonly string[]): Promise<string | null> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(${START_RUN_LOCK}::bigint)`)
    const unknown = await tx.execute<{ symbol: string }>(sql`
      SELECT wanted.symbol
        FROM jsonb_array_elements_text(${JSON.stringify(symbols)}::text::jsonb) WITH ORDINALITY AS wanted(symbol, position)
       WHERE NOT EXISTS (SELECT FROM ingest_items AS item WHERE item.symbol = wanted.symbol)
         AND NOT EXISTS (SELECT FROM asked_symbols AS asked WHERE asked.symbol = wanted.symbol)
       ORDER BY wanted.position`)
    if (unknown.length === 0) return null
    const run = await createRun(tx, {
      symbols: unknown.map((row) => row.symbol),
      trigger: 'start',
      outputsize: 'auto',
      force: false,
      priority: 'normal',
    })
    return run.id
  })
}

/**
 * Cancels the unfinished items of a run: pending items never start, and running items lose their claim. A second call
 * changes nothing and returns 'cancelled' again.
 * @returns 'unknown' without such a run; 'finished' when every item had finished by itself; else 'cancelled'
 */
export async function cancelRun(db: Database, id: string): Promise<'unknown' | 'finished' | 'cancelled'> {
  return db.transaction(async (tx) => {
    const run = await lockRun(tx, id)
    if (run === undefined) return 'unknown'
    if (run.cancelled) return 'cancelled'
    const cancelled = await tx.execute(sql`
      UPDATE ingest_items SET state = 'cancelled', finished_at = now(), waiting_for = NULL, waiting_reason = NULL, next_attempt_at = NULL
       WHERE run_id = ${id}::uuid AND state IN ('pending', 'running') RETURNING id`)
    if (cancelled.length === 0) return 'finished'
    await tx.execute(sql`UPDATE ingest_runs SET cancelled_at = now() WHERE id = ${id}::uuid`)
    return 'cancelled'
  })
}

/**
 * Gives the failed items of a run all their attempts again. Requests are then sent whatever failures are known; items that
 * succeeded stay. A second call during the work changes nothing and returns 'retried' again.
 * @returns 'unknown' without such a run; 'nothing' when it was cancelled, or finished without failed items; else 'retried'
 */
export async function retryRun(db: Database, id: string): Promise<'unknown' | 'nothing' | 'retried'> {
  return db.transaction(async (tx) => {
    const run = await lockRun(tx, id)
    if (run === undefined) return 'unknown'
    if (run.cancelled) return 'nothing'
    // Without dispatched_at the dispatcher replaces the jobs of these items, which have ended.
    const retried = await tx.execute(sql`
      UPDATE ingest_items SET state = 'pending', attempts = 0, lone_losses = 0, alone = false, refused_since = NULL, refusals = 0,
             finished_at = NULL, dispatched_at = NULL, rows_fetched = 0, rows_rejected = 0, rows_dropped = 0
       WHERE run_id = ${id}::uuid AND state = 'failed' RETURNING id`)
    if (retried.length > 0) return 'retried'
    const [left] = await tx.execute<{ unfinished: boolean }>(sql`
      SELECT EXISTS (SELECT FROM ingest_items WHERE run_id = ${id}::uuid AND finished_at IS NULL) AS unfinished`)
    return left?.unfinished === true ? 'retried' : 'nothing'
  })
}

/** Locks a run, so that changes of its items as a whole take turns. */
async function lockRun(tx: Transaction, id: string): Promise<{ cancelled: boolean } | undefined> {
  const [run] = await tx.execute<{ cancelled: boolean }>(
    sql`SELECT cancelled_at IS NOT NULL AS cancelled FROM ingest_runs WHERE id = ${id}::uuid FOR UPDATE`,
  )
  return run
}
