import { sql } from 'drizzle-orm'
import type { RejectedRow } from '@stockpile/domain/bar'
import type { Failure, FailureAnswers } from '@stockpile/domain/failure'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { Database } from '../database/connection.js'
import { clearWait, commitOnce, holdClaim } from './claim.js'
import type { ClaimedItem } from './claim.js'
import { quarantine } from './quarantine.js'

/** How an item ends failed. */
export interface Final {
  final: true
  /** The rejected rows that are kept of a body whose rows were all rejected, and how many more are only counted. */
  rejected?: readonly RejectedRow[]
  dropped?: number
  /** What was asked of the provider; null, the default: nothing was. */
  outputsize?: FetchedOutputsize | null
  /** Which requests the failure answers for during a day; null, the default: none. */
  answers?: FailureAnswers | null
}

/**
 * Records a failed attempt and charges it to the item.
 * @param next `retryInMs`: the item's next attempt is due after this backoff, in milliseconds; Final: the item ends failed
 * @throws ClaimLostError when the worker holds the item no more; nothing is written then
 */
export async function failAttempt(
  db: Database,
  item: ClaimedItem,
  failure: Failure,
  next: { retryInMs: number } | Final,
): Promise<void> {
  const final = 'final' in next
  await commitOnce(db, item, final ? 'failed' : 'pending', async (tx) => {
    const { rejected = [], dropped = 0, outputsize = null, answers = null } = final ? next : {}
    const rows = rejected.length + dropped
    await quarantine(tx, item, rejected)
    await tx.execute(sql`
      INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice, http_status, evidence, answers)
      VALUES (${item.id}, ${item.runId}::uuid, ${item.symbol}, ${item.attempts + 1}, ${final}, ${failure.class},
              ${failure.detail}, ${failure.advice}, ${failure.httpStatus}, ${failure.evidence}, ${answers})`)
    await holdClaim(
      tx,
      item,
      final
        ? sql`state = 'failed', ${clearWait}, refused_since = NULL, refusals = 0, attempts = attempts + 1, finished_at = now(), outputsize = ${outputsize},
              rows_fetched = ${rows}, rows_rejected = ${rows}, rows_dropped = ${dropped}`
        : sql`state = 'pending', ${clearWait}, refused_since = NULL, refusals = 0, attempts = attempts + 1, next_attempt_at = now() + ${next.retryInMs} * interval '1 ms'`,
    )
  })
}
