import type { Logger } from 'pino'
import type { Connection } from '@stockpile/db/connection'
import {
  markDispatched,
  markWithdrawn,
  undispatchedItems,
  unfinishedItems,
  withdrawableItems,
} from '@stockpile/db/dispatch'
import { endPause, enqueue, withdraw } from '@stockpile/queue/queue'
import type { IngestQueue } from '@stockpile/queue/queue'
import { tick } from './in-flight.js'

const INTERVAL_MS = 1_000
const BATCH = 1_000
const QUEUE_DEADLINE_MS = 10_000
/** The API dispatches its own runs right after the commit; what is older than this it did not reach. */
const MINIMUM_AGE_MS = 2_000

export interface DispatcherDependencies {
  db: Connection['db']
  queue: IngestQueue
  /** Raised while the queue may lack jobs that PostgreSQL says it was given: at the start, and after it was away. */
  doubtful: { value: boolean }
  logger: Logger
}

/**
 * Makes the queue agree with PostgreSQL until `signal` aborts: pending items that the queue was never given are
 * given to it, jobs of cancelled items are taken out. Any number of workers may do so at once, since a job's
 * id is its item's. Survives the absence of either side.
 */
export async function runDispatcher(
  dependencies: DispatcherDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { logger, doubtful } = dependencies
  let failing = false
  do {
    try {
      if (doubtful.value) {
        // Lowered before the work: what raises it meanwhile counts.
        doubtful.value = false
        await rebuild(dependencies)
      }
      await dispatchOnce(dependencies)
      if (failing) logger.info('dispatching again')
      failing = false
    } catch (error) {
      doubtful.value = true
      if (!failing)
        logger.warn(
          { err: error },
          'cannot dispatch; pending items stay in PostgreSQL until the queue is back',
        )
      failing = true
    }
  } while (await tick(INTERVAL_MS, signal))
}

/** Gives the queue every unfinished item. Those whose jobs it has are left alone: a job's id is its item's. */
async function rebuild({ db, queue, logger }: DispatcherDependencies): Promise<void> {
  // Left by a worker with another plan or key: whether anything is to be waited for is the ledger's to say.
  await endPause(queue, QUEUE_DEADLINE_MS)
  let afterId = 0
  let count = 0
  for (;;) {
    const items = await unfinishedItems(db, { afterId, limit: BATCH })
    const last = items.at(-1)
    if (last === undefined) break
    await enqueue(queue, items, QUEUE_DEADLINE_MS)
    await markDispatched(
      db,
      items.map((item) => item.id),
    )
    afterId = last.id
    count += items.length
  }
  if (count > 0) logger.info({ items: count }, 'made sure that the queue has what is unfinished')
}

/** One round, until nothing is left to dispatch or to withdraw. */
async function dispatchOnce({ db, queue, logger }: DispatcherDependencies): Promise<void> {
  for (;;) {
    const items = await undispatchedItems(db, { limit: BATCH, minimumAgeMs: MINIMUM_AGE_MS })
    if (items.length === 0) break
    await enqueue(queue, items, QUEUE_DEADLINE_MS)
    await markDispatched(
      db,
      items.map((item) => item.id),
    )
    logger.info({ items: items.length }, 'dispatched pending items')
  }
  for (;;) {
    const ids = await withdrawableItems(db, BATCH)
    if (ids.length === 0) break
    await withdraw(queue, ids, QUEUE_DEADLINE_MS)
    await markWithdrawn(db, ids)
    logger.info({ items: ids.length }, 'took the jobs of cancelled items out of the queue')
  }
}
