import { Refusal } from '@stockpile/domain/refusal'
import type { Provider, ProviderClient } from '@stockpile/domain/provider'
import { packBars } from '@stockpile/db/bars'
import type { FetchedSeries } from '@stockpile/db/store-series'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { Quota } from '../quota/quota.js'
import type { Attempt } from './attempt.js'

/** What one answer of the provider holds, and what its request took. */
export interface Fetched {
  series: FetchedSeries
  /** Whether the prices are made up: the simulator's. */
  synthetic: boolean
  bytes: number
  fetchMs: number
}

interface Dependencies {
  provider: Pick<Provider, 'dailySeries'>
  clientFor: (apiKey: string) => ProviderClient
  quota: Quota
  fullHistory: boolean
}

/**
 * Fetches what the item asks for, within the quota. Falls back to the newest rows where the full history cannot be had:
 * when the key is not entitled to `full` and the item left the choice to the worker (`auto`), and when the provider does
 * not know the symbol with `full`, since `compact` sometimes serves such a symbol.
 * @throws what `Quota.send` throws
 */
export async function fetchSeries(dependencies: Dependencies, attempt: Attempt): Promise<Fetched> {
  const { item } = attempt
  if (!item.wantsFull) return fetchOne(dependencies, attempt, 'compact')
  if (item.outputsize === 'auto' && !dependencies.fullHistory) return fetchLimited(dependencies, attempt)
  try {
    return await fetchOne(dependencies, attempt, 'full')
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const { compactFallback } = error.row
    const mayFallBack =
      compactFallback === 'always' || (compactFallback === 'auto' && item.outputsize === 'auto')
    if (!mayFallBack) throw error
    attempt.notes.add(`the full history is not to be had (${error.class}); the newest rows may be`)
    return fetchLimited(dependencies, attempt)
  }
}

/** Fetches the newest rows in place of the full history that the item wants. */
async function fetchLimited(dependencies: Dependencies, attempt: Attempt): Promise<Fetched> {
  const fetched = await fetchOne(dependencies, attempt, 'compact')
  return { ...fetched, series: { ...fetched.series, historyLimited: true, fullHistory: false } }
}

/** Is a function of its own so that the parsed rows become garbage as soon as they are packed. */
async function fetchOne(
  { provider, clientFor, quota, fullHistory }: Dependencies,
  { item, notes, asked, signal }: Attempt,
  outputsize: FetchedOutputsize,
): Promise<Fetched> {
  const { symbol } = item
  asked.outputsize = outputsize
  notes.add(`attempt ${item.attempts + 1}: asking for the ${outputsize} history of ${symbol}`)
  const request = { itemId: item.id, symbol, function: provider.dailySeries, outputsize }
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
