import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type {
  FailureAnswers,
  FetchedOutputsize,
  ItemState,
  NeedlessOutcome,
  Outputsize,
  WaitingFor,
} from '@stockpile/domain/run'
import type { RejectedRow } from '@stockpile/domain/bar'
import type { PackedBars } from '../prices/bars.js'
import type { Database, Transaction } from '../database/connection.js'
import { insertKnownFailures, knownFailure } from './known-failures.js'
import { quarantine } from './quarantine.js'
import { upsertBars } from '../prices/upsert.js'
import type { UpsertResult } from '../prices/upsert.js'

/** An item in the hands of a worker. `claim` proves it: every write names it, and is refused once it is stale. */
export interface ClaimedItem {
  id: number
  claim: number
  runId: string
  symbol: string
  attempts: number
  outputsize: Outputsize
  force: boolean
  /** Whether it was taken to be worked on alone. */
  alone: boolean
  /** How often its worker was lost while it worked on nothing else. */
  loneLosses: number
  /** Whether the full history is wanted: asked for, or left to us (`auto`) for a symbol that had no rows. */
  wantsFull: boolean
  /** How often the provider has refused nothing but its quota for this item, and for how long, in milliseconds. */
  refusals: number
  refusedMs: number
  /** Whether another item of the symbol is being worked on. */
  isBeside: boolean
  /** Why no request is needed; null when one is. */
  needless: NeedlessOutcome | null
  /** The failure that answers for its request, as nobody insists on another answer; null when it is to be sent. */
  knownFailure: number | null
}

/** The item is not in this worker's hands any more: cancelled, finished, or taken by another. Nothing was written. */
export class ClaimLostError extends Error {
  override readonly name = 'ClaimLostError'
  constructor(item: { id: number; claim: number }) {
    super(`item ${item.id} is no longer held under claim ${item.claim}`)
  }
}

/**
 * Takes an item: raises its claim and marks it running. One that runs already is taken over, since the queue
 * hands a job out again only after its worker was lost. Whoever takes it had it from the queue, also when the answer that
 * the queue has it never came: it counts as dispatched from then on, so that its job is missed when it gets lost.
 * @param options.alone whether nothing else will be in this worker's hands meanwhile
 * @param options.fullHistory whether the plan serves it; else what `auto` wants of it cannot be had, and the newest rows do
 * @returns null when the item is finished, cancelled or unknown, so that there is nothing to do, or put off (see `putOffMs`)
 */
export async function takeItem(
  db: Database,
  id: number,
  { alone = false, fullHistory = true } = {},
): Promise<ClaimedItem | null> {
  const asksFull = sql`(run.outputsize = 'full' OR (${fullHistory} AND ${wantsFull}))`
  const [item] = await db.execute<Record<string, unknown> & ClaimedItem>(sql`
    UPDATE ingest_items AS item
       SET state = 'running', claim = claim + 1, waiting_for = NULL, waiting_reason = NULL, next_attempt_at = NULL,
           started_at = coalesce(started_at, now()), dispatched_at = coalesce(dispatched_at, now()),
           lone_losses = lone_losses + (item.state = 'running' AND item.alone)::int, alone = ${alone}
      FROM ingest_runs AS run
     WHERE item.id = ${id} AND item.state IN ('pending', 'running') AND NOT ${isPutOff} AND run.id = item.run_id
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
 * Says that the worker which took an item alone was not lost, though it did not put it back: PostgreSQL was away. Taken over
 * since, that is no longer counted against it.
 * @param taken.claim null where the answer to the taking itself never came
 */
export async function excuseItem(db: Database, taken: { id: number; claim: number | null }): Promise<void> {
  const isOvertaken = taken.claim === null ? sql`false` : sql`claim > ${taken.claim}`
  await db.execute(sql`
    UPDATE ingest_items
       SET alone = alone AND ${isOvertaken}, lone_losses = greatest(0, lone_losses - (${isOvertaken})::int)
     WHERE id = ${taken.id} AND claim >= ${taken.claim ?? 0} AND state IN ('pending', 'running')`)
}

/**
 * Notes of an item in a worker's hands that what was fetched for it cannot be stored, though others' can: a lock on the rows
 * of its symbol. It says so until it is put back, taken again or ended. Nothing when it is not held any more.
 */
export async function noteHeldUp(db: Database, item: ClaimedItem, reason: string): Promise<void> {
  await db.execute(sql`
    UPDATE ingest_items SET waiting_for = 'storage', waiting_reason = ${reason}
     WHERE id = ${item.id} AND claim = ${item.claim} AND state = 'running'`)
}

/** SQL: the item waits for nothing any more. */
const waitsNoMore = sql`waiting_for = NULL, waiting_reason = NULL`

/** The queue may hand an item out so much earlier than it is due: less than any backoff, more than clocks that agree differ. */
const EARLY_MS = 1_000

/** Longer than any wait between two attempts: who said so had a clock that was ahead. */
export const LONGEST_BACKOFF_MS = 20 * 60_000

/** SQL: whether an item waits between two attempts still. A wait for quota or key ends with the pause of the workers. */
const isPutOff = sql`(item.state = 'pending' AND item.waiting_for IS NULL
  AND coalesce(item.next_attempt_at > now() + ${EARLY_MS} * interval '1 ms'
    AND item.next_attempt_at < now() + ${LONGEST_BACKOFF_MS} * interval '1 ms', false))`

/**
 * How long an item that was not to be taken has to wait still before its next attempt, by the database's clock; 0 when it
 * does not. Milliseconds. Without the earliness that `takeItem` grants: an item that came to be takeable since it was
 * refused must not lose its job.
 */
export async function putOffMs(db: Database, id: number): Promise<number> {
  const [item] = await db.execute<{ ms: number }>(sql`
    SELECT interval_ms(next_attempt_at - now()) AS ms FROM ingest_items
     WHERE id = ${id} AND state = 'pending' AND waiting_for IS NULL
       AND next_attempt_at > now() AND next_attempt_at < now() + ${LONGEST_BACKOFF_MS} * interval '1 ms'`)
  return item?.ms ?? 0
}

/** SQL, of an item and its run: `auto` is resolved by what the symbol had when the item was accepted, whatever came since. */
const wantsFull = sql`(run.outputsize = 'full' OR (run.outputsize = 'auto' AND NOT item.had_rows))`

/** SQL: whether somebody wants an item tried again that had failed for good. */
const isRetried = sql`EXISTS (SELECT FROM ingest_failures AS own WHERE own.item_id = item.id AND own.final)`

/** SQL: why an item of a run needs no request, from its symbol's row; null when it needs one. */
export function needlessFor(run: SQL, symbol: SQL, full: SQL): SQL {
  return sql`CASE WHEN NOT ${run}.force THEN needless(${run}.requested_at,
    CASE WHEN ${full} THEN ${symbol}.last_full_fetched_at ELSE ${symbol}.last_fetched_at END,
    ${symbol}.last_date, now()) END`
}

/**
 * Finishes an item that needs no request.
 * @throws ClaimLostError when the item is not held any more
 */
export async function settleItem(db: Database, item: ClaimedItem, outcome: NeedlessOutcome): Promise<void> {
  // Its job is in this worker's hands and ends by itself: there is none to withdraw.
  const settled = sql`state = 'succeeded', outcome = ${outcome}, finished_at = now(), dispatched_at = NULL`
  await commitOnce(db, item, 'succeeded', (tx) => holdClaim(tx, item, settled))
}

/**
 * Ends an item with the failure that answers for its request: none is sent, and no attempt is charged.
 * @returns the class and the detail
 * @throws ClaimLostError when the item is not held any more; nothing is written then
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

/** What a fetch brought: rows to store, rows to quarantine, and how many bars of an open session were left out. */
export interface FetchedSeries {
  /** Of the ledger, which knows when it was sent. */
  requestId: number
  outputsize: FetchedOutputsize
  /** More was wanted than the provider gives for this key or symbol. */
  historyLimited: boolean
  /** Whether the full history could be had of this symbol, as far as is known. */
  fullHistory: boolean
  bars: PackedBars
  rejected: readonly RejectedRow[]
  /** How many more were rejected, which are counted and not kept. */
  dropped: number
  /** Whether the newest record was rejected: the rows are not all there is then. */
  newestRejected: boolean
  provisional: number
}

/**
 * Stores what a fetch brought and finishes the item, in one transaction, and with it whatever else waits for the same:
 * pending items of the symbol that were accepted before the request was sent end as coalesced, with what this one lacks.
 * When nothing could be stored, or not the newest, the symbol is not up to date, and whoever comes later asks again.
 * @throws ClaimLostError when the item is not held any more; nothing is written then
 */
export async function storeSeries(
  db: Database,
  item: ClaimedItem,
  series: FetchedSeries,
): Promise<UpsertResult> {
  const stored = await commitOnce(db, item, 'succeeded', async (tx) => {
    const result = await upsertBars(tx, item.symbol, series.bars)
    await quarantine(tx, item, series.rejected, series.bars)
    await coalesce(tx, item, series)
    const rejected = series.rejected.length + series.dropped
    await holdClaim(
      tx,
      item,
      sql`
      state = 'succeeded', outcome = 'fetched', finished_at = now(), outputsize = ${series.outputsize},
      history_limited = ${series.historyLimited}, ${waitsNoMore}, refused_since = NULL, refusals = 0,
      rows_fetched = ${series.bars.count + rejected + series.provisional},
      rows_inserted = ${result.inserted}, rows_updated = ${result.updated}, rows_unchanged = ${result.unchanged},
      rows_rejected = ${rejected}, rows_dropped = ${series.dropped}, newest_rejected = ${series.newestRejected},
      rows_provisional = ${series.provisional}`,
    )
    return result
  })
  return stored ?? storedBefore(db, item)
}

/**
 * Writes in a transaction that brings the item to this state. A commit whose answer was lost with the connection is found
 * when the same is written again: nobody but its holder can have brought an item there under its claim.
 * @returns what `write` gave; null when it had been committed before
 * @throws ClaimLostError when the claim is another's, or the item was cancelled
 */
async function commitOnce<T>(
  db: Database,
  item: ClaimedItem,
  state: ItemState,
  write: (tx: Transaction) => Promise<T>,
): Promise<T | null> {
  try {
    return await db.transaction(write)
  } catch (error) {
    if (!(error instanceof ClaimLostError)) throw error
    const committed = await db.execute(sql`
      SELECT FROM ingest_items WHERE id = ${item.id} AND claim = ${item.claim} AND state = ${state}`)
    if (committed.length === 0) throw error
    return null
  }
}

async function storedBefore(db: Database, item: ClaimedItem): Promise<UpsertResult> {
  const [stored] = await db.execute<Record<string, unknown> & UpsertResult>(sql`
    SELECT rows_inserted AS inserted, rows_updated AS updated, rows_unchanged AS unchanged
      FROM ingest_items WHERE id = ${item.id}`)
  if (stored === undefined) throw new ClaimLostError(item)
  return stored
}

/**
 * Notes when the symbol was fetched, unless it lacks what the provider has, and finishes the other items that would be
 * told the same; the dispatcher withdraws their jobs.
 */
async function coalesce(tx: Transaction, item: ClaimedItem, series: FetchedSeries): Promise<void> {
  const isFull = series.outputsize === 'full'
  const isUpToDate = series.bars.count > 0 && !series.newestRejected
  const leftOut = series.bars.count > 0 ? 0 : series.provisional
  await tx.execute(sql`
    WITH sent AS (
      SELECT coalesce((SELECT slot_at FROM provider_requests WHERE id = ${series.requestId}), now()) AS at
    ), noted AS (
      UPDATE symbols SET last_fetched_at = greatest(last_fetched_at, sent.at),
             last_full_fetched_at = CASE WHEN ${isFull} THEN greatest(last_full_fetched_at, sent.at) ELSE last_full_fetched_at END
        FROM sent WHERE ${isUpToDate} AND symbol = ${item.symbol}
    )
    UPDATE ingest_items AS item
       SET state = 'succeeded', outcome = 'coalesced', finished_at = now(), waiting_for = NULL, waiting_reason = NULL,
           next_attempt_at = NULL, history_limited = ${!isFull} AND ${wantsFull}, newest_rejected = ${series.newestRejected},
           rows_fetched = ${leftOut}, rows_provisional = ${leftOut}
      FROM sent, ingest_runs AS run
     WHERE item.symbol = ${item.symbol} AND item.state = 'pending' AND run.id = item.run_id
       AND NOT run.force AND run.requested_at < sent.at
       AND (${isFull} OR NOT ${wantsFull} OR (run.outputsize = 'auto' AND NOT ${series.fullHistory}))`)
}

export interface Failure {
  class: string
  detail: string
  /** One sentence that says what a person should do. */
  advice: string
  httpStatus: number | null
  /** What the provider answered, without the key. */
  evidence: string | null
}

/** How an item ends failed. */
export interface Final {
  final: true
  /** The account of a body whose rows were all rejected: those that are kept, and how many are not. */
  rejected?: readonly RejectedRow[]
  dropped?: number
  /** What was asked of the provider, if anything was. */
  outputsize?: FetchedOutputsize | null
  /** Which requests need not be sent for a day after it; null, the default: none. */
  answers?: FailureAnswers | null
}

/**
 * Records a failed attempt. With `retryInMs` the item waits for its next attempt; without, it ends failed.
 * @throws ClaimLostError when the item is not held any more; nothing is written then
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
        ? sql`state = 'failed', ${waitsNoMore}, refused_since = NULL, refusals = 0, attempts = attempts + 1, finished_at = now(), outputsize = ${outputsize},
              rows_fetched = ${rows}, rows_rejected = ${rows}, rows_dropped = ${dropped}`
        : sql`state = 'pending', ${waitsNoMore}, refused_since = NULL, refusals = 0, attempts = attempts + 1, next_attempt_at = now() + ${next.retryInMs} * interval '1 ms'`,
    )
  })
}

/** Why an item that is put back has to wait. */
export interface Wait {
  /** Null for the spacing of requests within a second: no state that a person need see. */
  for: WaitingFor | null
  /** A sentence for people. */
  reason: string
  ms: number
  /** Whether the provider refused a request for this very item; not so when our own book has no room. */
  refused: boolean
}

/**
 * Puts an item back without charging an attempt: for a limit of the provider or a key that does not work (`wait`), or
 * because the worker stops (null).
 * @throws ClaimLostError when the item is not held any more
 */
export async function releaseItem(db: Database, item: ClaimedItem, wait: Wait | null): Promise<void> {
  const next =
    wait === null
      ? sql`${waitsNoMore}, next_attempt_at = now()`
      : sql`waiting_for = ${wait.for}, waiting_reason = ${wait.for === null ? null : wait.reason}, next_attempt_at = now() + ${wait.ms} * interval '1 ms',
            refused_since = CASE WHEN ${wait.refused} THEN coalesce(refused_since, now()) ELSE refused_since END,
            refusals = refusals + ${wait.refused ? 1 : 0}`
  await commitOnce(db, item, 'pending', (tx) => holdClaim(tx, item, sql`state = 'pending', ${next}`))
}

/** The fence: the item changes only for the holder of its current claim; otherwise the transaction rolls back. */
async function holdClaim(
  tx: Transaction,
  item: ClaimedItem,
  assignments: ReturnType<typeof sql>,
): Promise<void> {
  const updated = await tx.execute(sql`
    UPDATE ingest_items SET ${assignments}
     WHERE id = ${item.id} AND claim = ${item.claim} AND state = 'running' RETURNING id`)
  if (updated.length === 0) throw new ClaimLostError(item)
}

/**
 * Which of these items are no longer held under the claim given: their work may stop. One that its holder has brought to
 * its end is not lost: it may not know yet, when the answer to its commit did not come.
 */
export async function lostClaims(
  db: Database,
  held: readonly { id: number; claim: number }[],
): Promise<number[]> {
  if (held.length === 0) return []
  const rows = await db.execute<{ id: number }>(sql`
    SELECT held.id::float8 AS id
      FROM jsonb_to_recordset(${JSON.stringify(held)}::text::jsonb) AS held(id bigint, claim int)
      LEFT JOIN ingest_items AS item ON item.id = held.id AND item.claim = held.claim AND item.state <> 'cancelled'
     WHERE item.id IS NULL`)
  return rows.map((row) => row.id)
}
