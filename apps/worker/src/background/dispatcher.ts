import type { Connection } from '@stockpile/db/connection'
import {
  dispatchedItems,
  markDispatched,
  markWithdrawn,
  undispatchedItems,
  withdrawableItems,
} from '@stockpile/db/dispatch'
import { endLeftPause } from '@stockpile/queue/health'
import { enqueue, restore, withdraw } from '@stockpile/queue/jobs'
import type { IngestQueue } from '@stockpile/queue/queue'
import { tick } from '@stockpile/time/wait'
import type { Logger } from 'pino'

const INTERVAL_MS = 1_000
/** Items of one statement while there is work to do. */
const BATCH = 1_000
/** Items that are compared with the queue each second: cheap, and 10,000 items are compared in under two minutes. */
const COMPARED_AT_ONCE = 100
const QUEUE_DEADLINE_MS = 10_000
/** The API dispatches its own runs right after the commit; an item that is older than this was not dispatched by the API. */
const MINIMUM_AGE_MS = 2_000

export interface DispatcherDependencies {
  db: Connection['db']
  queue: IngestQueue
  /** True while the queue may lack jobs that PostgreSQL says it was given: at the start, and after the queue was away. */
  mayLackJobs: { value: boolean }
  logger: Logger
}

/**
 * Makes the queue agree with PostgreSQL until `signal` aborts: gives the queue the pending items that it was never given
 * and the jobs that it has lost, and removes the jobs of items that have ended. Any number of workers may do so at once,
 * since a job's id is made from its item's. Goes on when PostgreSQL or the queue is away.
 */
export async function runDispatcher(
  dependencies: DispatcherDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { queue, logger, mayLackJobs } = dependencies
  const lost = new LostJobs(dependencies)
  let isFailing = false
  do {
    try {
      const howMany = mayLackJobs.value ? 'all' : 'some'
      // Cleared before the work, so that a connection that is made meanwhile sets it again.
      mayLackJobs.value = false
      const pausedMs = await endLeftPause(queue, QUEUE_DEADLINE_MS)
      if (pausedMs > 0) logger.warn({ pausedMs }, 'ended a pause of the queue that nobody stands for')
      await lost.restore(howMany)
      await dispatchPending(dependencies)
      await withdrawEnded(dependencies)
      if (isFailing) logger.info('dispatching again')
      isFailing = false
    } catch (error) {
      mayLackJobs.value = true
      if (!isFailing)
        logger.warn(
          { err: error },
          'cannot dispatch; pending items stay in PostgreSQL until the queue is back',
        )
      isFailing = true
    }
  } while (await tick(INTERVAL_MS, signal))
}

/** Compares dispatched items with the queue, one batch after another, over and over. */
class LostJobs {
  readonly #dependencies: DispatcherDependencies
  #afterId = 0

  constructor(dependencies: DispatcherDependencies) {
    this.#dependencies = dependencies
  }

  /**
   * Gives the queue the jobs that it has lost.
   * @param howMany `all`: compares every item; `some`: one batch, and further ones as long as jobs are missing
   */
  async restore(howMany: 'some' | 'all'): Promise<void> {
    const { db, queue, logger } = this.#dependencies
    const isAll = howMany === 'all'
    if (isAll) this.#afterId = 0
    let restored = 0
    for (;;) {
      const items = await dispatchedItems(db, {
        afterId: this.#afterId,
        limit: isAll ? BATCH : COMPARED_AT_ONCE,
        minimumAgeMs: isAll ? 0 : MINIMUM_AGE_MS,
      })
      const missing = await restore(queue, items, QUEUE_DEADLINE_MS)
      this.#afterId = items.at(-1)?.id ?? 0
      restored += missing
      if (items.length === 0 || (!isAll && missing === 0)) break
    }
    if (restored > 0) logger.warn({ items: restored }, 'gave the queue back what it had lost')
  }
}

/** Gives the queue all items that it was never given, and those that were taken and are pending again. */
async function dispatchPending({ db, queue, logger }: DispatcherDependencies): Promise<void> {
  for (;;) {
    const items = await undispatchedItems(db, { limit: BATCH, minimumAgeMs: MINIMUM_AGE_MS })
    if (items.length === 0) break
    // The queue may still have the ended job of an item that was taken before, which would swallow a new one.
    const taken = items.filter((item) => item.wasTaken)
    await restore(queue, taken, QUEUE_DEADLINE_MS)
    await enqueue(
      queue,
      items.filter((item) => !item.wasTaken),
      QUEUE_DEADLINE_MS,
    )
    await markDispatched(
      db,
      items.map((item) => item.id),
    )
    logger.info({ items: items.length }, 'dispatched pending items')
  }
}

/** Removes the jobs of all items that ended without them: cancelled, or without a request of their own. */
async function withdrawEnded({ db, queue, logger }: DispatcherDependencies): Promise<void> {
  for (;;) {
    const ids = await withdrawableItems(db, BATCH)
    if (ids.length === 0) break
    await withdraw(queue, ids, QUEUE_DEADLINE_MS)
    await markWithdrawn(db, ids)
    logger.info({ items: ids.length }, 'took the jobs of ended items out of the queue')
  }
}
