import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Failure } from '@stockpile/domain/failure'
import type { NeedlessOutcome } from '@stockpile/domain/item'
import type { Database } from '../database/connection.js'
import { commitOnce, holdClaim } from './claim.js'
import type { ClaimedItem } from './claim.js'

/** How long a failure answers for requests: a day, so that somebody who asks daily learns when the provider's answer has changed. */
const REMEMBERED = sql`interval '24 hours'`

/** SQL, of an item and its run: `auto` goes by what the symbol had when the item was accepted, whatever was stored since. */
export const wantsFull = sql`(run.outputsize = 'full' OR (run.outputsize = 'auto' AND NOT item.had_rows))`

/** SQL: whether a person retries an item that had ended failed. */
export const isRetried = sql`EXISTS (SELECT FROM ingest_failures AS own WHERE own.item_id = item.id AND own.final)`

/**
 * SQL: why an item needs no request (a NeedlessOutcome); null when it needs one.
 * @param run the alias of the item's run
 * @param symbol the alias of its symbol's row in `symbols`
 * @param full whether the request would ask for the full history
 */
export function needlessFor(run: SQL, symbol: SQL, full: SQL): SQL {
  return sql`CASE WHEN NOT ${run}.force THEN needless(${run}.requested_at,
    CASE WHEN ${full} THEN ${symbol}.last_full_fetched_at ELSE ${symbol}.last_fetched_at END,
    ${symbol}.last_date, now()) END`
}

/**
 * Finishes an item that needs no request.
 * @throws ClaimLostError when the worker holds the item no more
 */
export async function finishNeedless(
  db: Database,
  item: ClaimedItem,
  outcome: NeedlessOutcome,
): Promise<void> {
  // The worker's own job ends by itself: without dispatched_at the dispatcher looks for no job to withdraw.
  const finished = sql`state = 'succeeded', outcome = ${outcome}, finished_at = now(), dispatched_at = NULL`
  await commitOnce(db, item, 'succeeded', (tx) => holdClaim(tx, item, finished))
}

/**
 * SQL: the id of the failure that answers for a request, which then need not be sent; null when there is none. The failure
 * is at most a day old, and nothing of the symbol was fetched since.
 * @param symbol the symbol that would be asked for
 * @param outputsize the outputsize that would be asked for; null when it is not known yet
 */
export function knownFailure(symbol: SQL, outputsize: SQL): SQL {
  return sql`(
    SELECT known.id FROM ingest_failures AS known
     WHERE known.symbol = ${symbol} AND known.answers IN ('symbol', ${outputsize}) AND known.failed_at > now() - ${REMEMBERED}
       AND NOT EXISTS (
         SELECT FROM ingest_items AS fetched
          WHERE fetched.symbol = known.symbol AND fetched.outcome = 'fetched' AND fetched.finished_at > known.failed_at)
     ORDER BY known.id DESC LIMIT 1)`
}

/**
 * SQL: records for each item the failure that is known already, as attempt 0. The records have no `answers`, so that asking
 * again does not prolong how long a failure is known.
 * @param items a query of the columns item_id, run_id, symbol and failure_id
 */
export function insertKnownFailures(items: SQL): SQL {
  return sql`
    INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice)
    SELECT item.item_id, item.run_id, item.symbol, 0, true, known.class,
           format('%s Asked on %s; not asked again before %s without force.', known.detail,
             ${minute(sql`known.failed_at`)}, ${minute(sql`known.failed_at + ${REMEMBERED}`)}),
           known.advice
      FROM (${items}) AS item JOIN ingest_failures AS known ON known.id = item.failure_id`
}

function minute(at: SQL): SQL {
  return sql`to_char((${at}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')`
}

/**
 * Ends an item with the failure that answers for its request: no request is sent, and no attempt is charged.
 * @returns what was recorded of the item
 * @throws ClaimLostError when the worker holds the item no more; nothing is written then
 */
export async function failKnown(
  db: Database,
  item: ClaimedItem,
  failureId: number,
): Promise<Pick<Failure, 'class' | 'detail' | 'advice'>> {
  return db.transaction(async (tx) => {
    const known = sql`SELECT ${item.id}::bigint AS item_id, ${item.runId}::uuid AS run_id, ${item.symbol}::text AS symbol, ${failureId}::bigint AS failure_id`
    const [failure] = await tx.execute<Pick<Failure, 'class' | 'detail' | 'advice'>>(
      sql`${insertKnownFailures(known)} RETURNING class, detail, advice`,
    )
    await holdClaim(tx, item, sql`state = 'failed', refused_since = NULL, refusals = 0, finished_at = now()`)
    if (failure === undefined) throw new Error(`failure ${failureId} is gone`)
    return failure
  })
}
