import type { Connection } from '@stockpile/db/connection'
import { noteStorageWait } from '@stockpile/db/items'
import { finishNeedless } from '@stockpile/db/needless'
import { storeSeries } from '@stockpile/db/store-series'
import type { FetchedSeries } from '@stockpile/db/store-series'
import { noteSyntheticData } from '@stockpile/db/synthetic-data'
import type { NeedlessOutcome } from '@stockpile/domain/item'
import type { StorageHealth } from '../quota/storage-health.js'
import type { Attempt } from './attempt.js'
import { AllRowsRejectedError } from './failures.js'
import type { Fetched } from './fetch-series.js'
import { keepUntilStored } from './keep-answer.js'

interface Dependencies {
  db: Connection['db']
  storage: StorageHealth
}

/**
 * Stores what was fetched and finishes the item as succeeded, in one transaction; waits while PostgreSQL takes no rows.
 * @returns one sentence for the board
 * @throws AllRowsRejectedError when the answer holds no row that could be stored; what `storeSeries` and
 *   `keepUntilStored` throw
 */
export async function storeFetched(
  { db, storage }: Dependencies,
  { item, signal, notes, log }: Attempt,
  { series, synthetic, bytes, fetchMs }: Fetched,
): Promise<string> {
  notes.add(`${describe(series)} in ${bytes} bytes after ${fetchMs} ms`)
  if (series.bars.count + series.provisional === 0)
    throw new AllRowsRejectedError(series.rejected, series.dropped)
  const store = async () => {
    // Noted before the rows are there, so that nobody reads made-up prices as real ones.
    if (synthetic) await noteSyntheticData(db)
    return storeSeries(db, item, series)
  }
  const onLocked = (reason: string) => noteStorageWait(db, item, reason)
  const stored = await keepUntilStored(storage, store, { signal, log, onLocked })
  const { outputsize, historyLimited, provisional } = series
  const rejected = series.rejected.length + series.dropped
  log.info({ outputsize, historyLimited, fetchMs, bytes, ...stored, rejected, provisional }, 'stored')
  notes.complete()
  return `${stored.inserted} inserted, ${stored.updated} updated, ${stored.unchanged} unchanged`
}

/**
 * Finishes an item that needs no request.
 * @returns one sentence for the board
 * @throws ClaimLostError
 */
export async function settle(
  { db }: Pick<Dependencies, 'db'>,
  { item, notes, log }: Attempt,
  outcome: NeedlessOutcome,
): Promise<string> {
  await finishNeedless(db, item, outcome)
  log.info({ outcome }, 'no request is needed')
  notes.complete()
  return outcome === 'coalesced' ? 'another run has fetched it meanwhile' : 'nothing new can be had yet'
}

function describe({ bars, rejected, dropped, newestRejected, provisional }: FetchedSeries): string {
  const parts = [`${bars.count} rows`]
  const count = rejected.length + dropped
  if (count > 0) parts.push(`${count} rejected${newestRejected ? ', the newest among them' : ''}`)
  if (provisional > 0) parts.push(`${provisional} of an open session left out`)
  return parts.join(', ')
}
