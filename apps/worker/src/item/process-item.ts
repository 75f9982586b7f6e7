import type { Provider, ProviderClient } from '@stockpile/domain/provider'
import type { Connection } from '@stockpile/db/connection'
import { RateLimitError } from 'bullmq'
import type { Logger } from 'pino'
import type { Quota } from '../quota/quota.js'
import type { StorageHealth } from '../quota/storage-health.js'
import type { Attempt, HandedJob } from './attempt.js'
import { conclude } from './conclude.js'
import type { Policy } from './conclude.js'
import { KnownFailureError, PoisonError } from './failures.js'
import { fetchSeries } from './fetch-series.js'
import type { InFlight } from './in-flight.js'
import type { Isolation } from './isolation.js'
import { JobNotes } from './job-notes.js'
import { snoozeBehindOther } from './snooze.js'
import { settle, storeFetched } from './store-series.js'
import { takeItemOf } from './take-item.js'
import type { UnreleasedItems } from './unreleased-items.js'

export interface ItemDependencies {
  db: Connection['db']
  provider: Pick<Provider, 'dailySeries'>
  /** The client that sends with this key. */
  clientFor: (apiKey: string) => ProviderClient
  quota: Quota
  storage: StorageHealth
  inFlight: InFlight
  isolation: Isolation
  unreleased: UnreleasedItems
  policy: Policy
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
  /** Whether nothing may be sent now, so that no item is to be taken. */
  isClosed: () => boolean
  /** Whether the plan serves `outputsize=full`. */
  fullHistory: boolean
  logger: Logger
}

/** An item whose worker was lost this often while the worker held nothing else is not tried again. */
const MAX_LONE_LOSSES = 2

/**
 * Processes the job of one item: takes the item, fetches its symbol within the quota, stores the rows and finishes the
 * item in one transaction.
 * @returns one sentence for the board
 * @throws what tells BullMQ how to go on with the job, as `conclude` decides
 */
export async function processItem(dependencies: ItemDependencies, handed: HandedJob): Promise<string> {
  const { isolation, isClosed } = dependencies
  // The queue handed the job out just before the gate closed: the job keeps its place.
  if (isClosed()) throw new RateLimitError()
  return handed.job.stalledCounter > 0
    ? isolation.alone(() => takeAndProcess(dependencies, handed, { alone: true }))
    : isolation.beside(() => takeAndProcess(dependencies, handed, { alone: false }))
}

async function takeAndProcess(
  dependencies: ItemDependencies,
  handed: HandedJob,
  { alone }: { alone: boolean },
): Promise<string> {
  const { inFlight, logger } = dependencies
  const item = await takeItemOf(dependencies, handed, { alone })
  if (item === null) return 'nothing to do: the item is finished or was cancelled'
  const ids = { run: item.runId, item: item.id, symbol: item.symbol, attempt: item.attempts + 1 }
  const log = logger.child(ids)
  const notes = new JobNotes(handed.job, log)
  // Of two items of a symbol that were taken in the same moment, neither saw the other in PostgreSQL.
  const isBeside = item.isBeside || inFlight.hasSymbol(item.symbol)
  return inFlight.hold(item, async (signal) => {
    const attempt: Attempt = { ...handed, item, asked: { outputsize: null }, signal, notes, log }
    try {
      signal.throwIfAborted()
      if (item.loneLosses >= MAX_LONE_LOSSES) throw new PoisonError(item.loneLosses)
      if (item.needless !== null) return await settle(dependencies, attempt, item.needless)
      if (item.knownFailure !== null) throw new KnownFailureError(item.knownFailure)
      if (isBeside && !item.force) return await snoozeBehindOther(dependencies, attempt)
      const fetched = await fetchSeries(dependencies, attempt)
      return await storeFetched(dependencies, attempt, fetched)
    } catch (error) {
      return await conclude(dependencies, attempt, error)
    } finally {
      await notes.written()
    }
  })
}
