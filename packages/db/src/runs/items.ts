import { sql } from 'drizzle-orm'
import type { Wait } from '@stockpile/domain/waiting'
import type { Database } from '../database/connection.js'
import { clearWait, commitOnce, holdClaim } from './claim.js'
import type { ClaimedItem } from './claim.js'
import { isRetried, knownFailure, needlessFor, wantsFull } from './needless.js'

/** The queue may hand an item out this much before its next attempt is due: less than any backoff, more than clocks in sync differ. */
const EARLY_MS = 1_000

/** Longer than any backoff: an attempt that is due later was noted by a clock that was ahead. */
export const LONGEST_BACKOFF_MS = 20 * 60_000

/** SQL: whether an item waits between two attempts. A snoozed item does not: the gates of the workers end its wait. */
const isBackingOff = sql`(item.state = 'pending' AND item.waiting_for IS NULL
  AND coalesce(item.next_attempt_at > now() + ${EARLY_MS} * interval '1 ms'
    AND item.next_attempt_at < now() + ${LONGEST_BACKOFF_MS} * interval '1 ms', false))`

/**
 * Takes an item: raises its claim and marks it running. A running item is taken over, since the queue hands a job out again
 * only after its worker was lost. A taken item counts as dispatched, even when the queue's answer to the dispatch was lost,
 * so that the dispatcher notices when its job gets lost.
 * @param options.alone whether the worker will work on nothing else meanwhile
 * @param options.fullHistory whether the plan serves the full history; without it `auto` makes do with the newest rows
 * @returns null when the item is finished, cancelled or unknown, or its backoff is not over (see `backoffLeftMs`)
 */
export async function takeItem(
  db: Database,
  id: number,
  options: { alone?: boolean; fullHistory?: boolean } = {},
): Promise<ClaimedItem | null> {
  const { alone = false, fullHistory = true } = options
  const asksFull = sql`(run.outputsize = 'full' OR (${fullHistory} AND ${wantsFull}))`
  const [item] = await db.execute<Record<string, unknown> & ClaimedItem>(sql`
    UPDATE ingest_items AS item
       SET state = 'running', claim = claim + 1, waiting_for = NULL, waiting_reason = NULL, next_attempt_at = NULL,
           started_at = coalesce(started_at, now()), dispatched_at = coalesce(dispatched_at, now()),
           lone_losses = lone_losses + (item.state = 'running' AND item.alone)::int, alone = ${alone}
      FROM ingest_runs AS run
     WHERE item.id = ${id} AND item.state IN ('pending', 'running') AND NOT ${isBackingOff} AND run.id = item.run_id
    RETURNING item.id::float8 AS id, item.claim, item.run_id AS "runId", item.symbol, item.attempts, item.alone, item.lone_losses AS "loneLosses", run.outputsize, run.force,
      ${wantsFull} AS "wantsFull", item.refusals,
      coalesce(extract(epoch FROM now() - item.refused_since) * 1000, 0)::float8 AS "refusedMs",
      EXISTS (SELECT FROM ingest_items AS other
               WHERE other.symbol = item.symbol AND other.state = 'running' AND other.id <> item.id) AS "isBeside",
      (SELECT ${needlessFor(sql`run`, sql`known`, asksFull)}
         FROM symbols AS known WHERE known.symbol = item.symbol) AS needless,
      CASE WHEN NOT run.force AND NOT ${isRetried}
        THEN ${knownFailure(sql`item.symbol`, sql`CASE WHEN ${asksFull} THEN 'full' ELSE 'compact' END`)}::float8 END AS "knownFailure"`)
  return item ?? null
}

/**
 * Reads how long an item that `takeItem` did not give has to wait until its next attempt is due, by the database's clock.
 * Unlike `takeItem`, it grants no early start: the job of an item whose backoff ended in between must not be ended.
 * @returns milliseconds; 0 when the item does not wait for an attempt
 */
export async function backoffLeftMs(db: Database, id: number): Promise<number> {
  const [item] = await db.execute<{ ms: number }>(sql`
    SELECT interval_ms(next_attempt_at - now()) AS ms FROM ingest_items
     WHERE id = ${id} AND state = 'pending' AND waiting_for IS NULL
       AND next_attempt_at > now() AND next_attempt_at < now() + ${LONGEST_BACKOFF_MS} * interval '1 ms'`)
  return item?.ms ?? 0
}

/**
 * Gives an item back without charging an attempt, to be taken again once what it waits for allows it.
 * @throws ClaimLostError when the worker holds the item no more
 */
export async function snoozeItem(db: Database, item: ClaimedItem, wait: Wait): Promise<void> {
  const next = sql`
    waiting_for = ${wait.for}, waiting_reason = ${wait.for === null ? null : wait.reason}, next_attempt_at = now() + ${wait.ms} * interval '1 ms',
    refused_since = CASE WHEN ${wait.refused} THEN coalesce(refused_since, now()) ELSE refused_since END,
    refusals = refusals + ${wait.refused ? 1 : 0}`
  await commitOnce(db, item, 'pending', (tx) => holdClaim(tx, item, sql`state = 'pending', ${next}`))
}

/**
 * Gives an item back because the worker stops: no attempt is charged, and another worker may take the item at once.
 * @throws ClaimLostError when the worker holds the item no more
 */
export async function releaseItem(db: Database, item: ClaimedItem): Promise<void> {
  const next = sql`state = 'pending', ${clearWait}, next_attempt_at = now()`
  await commitOnce(db, item, 'pending', (tx) => holdClaim(tx, item, next))
}

/**
 * Records that a worker which took an item alone was not lost: PostgreSQL was away, so that the worker could not give the
 * item back. When another worker has taken the item over since, the loss that was counted then is uncounted.
 * @param taken.claim null when the answer to the taking never came
 */
export async function uncountLoneLoss(
  db: Database,
  taken: { id: number; claim: number | null },
): Promise<void> {
  const isOvertaken = taken.claim === null ? sql`false` : sql`claim > ${taken.claim}`
  await db.execute(sql`
    UPDATE ingest_items
       SET alone = alone AND ${isOvertaken}, lone_losses = greatest(0, lone_losses - (${isOvertaken})::int)
     WHERE id = ${taken.id} AND claim >= ${taken.claim ?? 0} AND state IN ('pending', 'running')`)
}

/**
 * Notes on a held item that its rows cannot be stored while other symbols' rows can: another session locks the rows of this
 * symbol. The note goes when the item is given back, taken or finished. Does nothing when the worker holds the item no more.
 * @param reason a sentence for people
 */
export async function noteStorageWait(db: Database, item: ClaimedItem, reason: string): Promise<void> {
  await db.execute(sql`
    UPDATE ingest_items SET waiting_for = 'storage', waiting_reason = ${reason}
     WHERE id = ${item.id} AND claim = ${item.claim} AND state = 'running'`)
}
