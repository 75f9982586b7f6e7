import type { Client } from '@stockpile/alphavantage'
import { AlphaVantageError } from '@stockpile/alphavantage/refusal'
import { packBars } from '@stockpile/db/bars'
import type { ClaimedItem } from '@stockpile/db/claim'
import type { FetchedSeries } from '@stockpile/db/store-series'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { Asked } from './failures.js'
import type { JobNotes } from './job-notes.js'
import type { Quota } from '../quota/quota.js'

export interface Fetched {
  series: FetchedSeries
  /** Whether its prices are made up. */
  synthetic: boolean
  bytes: number
  fetchMs: number
}

interface Dependencies {
  clientFor: (apiKey: string) => Client
  quota: Quota
  fullHistory: boolean
}

interface Attempt {
  notes: JobNotes
  /** Told what was asked for last. */
  asked: Asked
  signal: AbortSignal
}

/**
 * Fetches what the item asks for, within the quota. Where the full history is not to be had, the newest rows are
 * better than nothing: of a key that is not entitled to it, when the item left the choice to us (`auto`); and of a
 * symbol that is unknown with `full`, which `compact` sometimes serves.
 * @throws as `Quota.send` does
 */
export async function fetchSeries(
  dependencies: Dependencies,
  item: ClaimedItem,
  attempt: Attempt,
): Promise<Fetched> {
  if (!item.wantsFull) return fetchOne(dependencies, item, 'compact', attempt)
  if (item.outputsize === 'auto' && !dependencies.fullHistory)
    return fetchLimited(dependencies, item, attempt)
  try {
    return await fetchOne(dependencies, item, 'full', attempt)
  } catch (error) {
    if (!(error instanceof AlphaVantageError)) throw error
    const mayFallBack =
      error.class === 'invalid_symbol' || (error.class === 'entitlement' && item.outputsize === 'auto')
    if (!mayFallBack) throw error
    attempt.notes.add(`the full history is not to be had (${error.class}); the newest rows may be`)
    return fetchLimited(dependencies, item, attempt)
  }
}

async function fetchLimited(
  dependencies: Dependencies,
  item: ClaimedItem,
  attempt: Attempt,
): Promise<Fetched> {
  const fetched = await fetchOne(dependencies, item, 'compact', attempt)
  return { ...fetched, series: { ...fetched.series, historyLimited: true, fullHistory: false } }
}

/** A function of its own, so that the parsed rows are garbage as soon as they are packed. */
async function fetchOne(
  { clientFor, quota, fullHistory }: Dependencies,
  item: ClaimedItem,
  outputsize: FetchedOutputsize,
  { notes, asked, signal }: Attempt,
): Promise<Fetched> {
  const { symbol } = item
  asked.outputsize = outputsize
  notes.add(`attempt ${item.attempts + 1}: asking for the ${outputsize} history of ${symbol}`)
  const request = { itemId: item.id, symbol, function: 'TIME_SERIES_DAILY', outputsize }
  const { requestId, answer, durationMs } = await quota.send(
    request,
    (apiKey, onDeparture) => clientFor(apiKey).fetchDaily({ symbol, outputsize }, signal, onDeparture),
    signal,
  )
  const { rows, rejected, dropped, newestRejected, provisional, bytes, synthetic } = answer
  return {
    series: {
      requestId,
      outputsize,
      historyLimited: false,
      fullHistory,
      bars: packBars(rows),
      rejected,
      dropped,
      newestRejected,
      provisional: provisional.length,
    },
    synthetic,
    bytes,
    fetchMs: durationMs,
  }
}
