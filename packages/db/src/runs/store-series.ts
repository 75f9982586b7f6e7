import { sql } from 'drizzle-orm'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { RejectedRow } from '@stockpile/domain/bar'
import type { PackedBars } from '../prices/bars.js'
import { upsertBars } from '../prices/upsert.js'
import type { UpsertResult } from '../prices/upsert.js'
import type { Database, Transaction } from '../database/connection.js'
import { ClaimLostError, clearWait, commitOnce, holdClaim } from './claim.js'
import type { ClaimedItem } from './claim.js'
import { wantsFull } from './needless.js'
import { quarantine } from './quarantine.js'

/** What a fetch brought: rows to store, rows to quarantine, and how many bars of an open session were left out. */
export interface FetchedSeries {
  /** The request's id in the ledger, which knows when the request was sent. */
  requestId: number
  outputsize: FetchedOutputsize
  /** Whether more was wanted than the provider gives for this key or symbol. */
  historyLimited: boolean
  /** Whether the provider gives the full history of this symbol, as far as is known. */
  fullHistory: boolean
  bars: PackedBars
  /** The rejected rows that are kept. */
  rejected: readonly RejectedRow[]
  /** How many further rejected rows are counted and not kept. */
  dropped: number
  /** Whether the newest record was rejected: the symbol then lacks its newest row. */
  newestRejected: boolean
  provisional: number
}

/**
 * Stores what a fetch brought and finishes the item, in one transaction. Pending items of the symbol that were accepted
 * before the request was sent finish as coalesced. When nothing could be stored, or not the newest row, the symbol does not
 * count as up to date, so that later runs ask again.
 * @throws ClaimLostError when the worker holds the item no more; nothing is written then
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
      history_limited = ${series.historyLimited}, ${clearWait}, refused_since = NULL, refusals = 0,
      rows_fetched = ${series.bars.count + rejected + series.provisional},
      rows_inserted = ${result.inserted}, rows_updated = ${result.updated}, rows_unchanged = ${result.unchanged},
      rows_rejected = ${rejected}, rows_dropped = ${series.dropped}, newest_rejected = ${series.newestRejected},
      rows_provisional = ${series.provisional}`,
    )
    return result
  })
  return stored ?? storedBefore(db, item)
}

/** Reads what an earlier call stored whose commit was not answered. */
async function storedBefore(db: Database, item: ClaimedItem): Promise<UpsertResult> {
  const [stored] = await db.execute<Record<string, unknown> & UpsertResult>(sql`
    SELECT rows_inserted AS inserted, rows_updated AS updated, rows_unchanged AS unchanged
      FROM ingest_items WHERE id = ${item.id}`)
  if (stored === undefined) throw new ClaimLostError(item)
  return stored
}

/**
 * Notes when the symbol was fetched, unless its newest row is lacking, and finishes the pending items whose requests this
 * answer spares. The dispatcher withdraws their jobs.
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
