import { tick } from '@stockpile/time/wait'
import type { Logger } from 'pino'
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

const INTERVAL_MS = 1_000
const BATCH = 1_000
/** Each second: little enough to cost nothing, and 10,000 items are seen in under two minutes. */
const LOOKED_AT = 100
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
 * Makes the queue agree with PostgreSQL until `signal` aborts: pending items that the queue was never given are given
 * to it, what it has lost is given back, jobs of ended items are taken out. Any number of workers may do so at once,
 * since a job's id is its item's. Survives the absence of either side.
 */
export async function runDispatcher(
  dependencies: DispatcherDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { queue, logger, doubtful } = dependencies
  const lost = new LostJobs(dependencies)
  let failing = false
  do {
    try {
      const isDoubtful = doubtful.value
      // Lowered before the work: what raises it meanwhile counts.
      doubtful.value = false
      const pausedMs = await endLeftPause(queue, QUEUE_DEADLINE_MS)
      if (pausedMs > 0) logger.warn({ pausedMs }, 'ended a pause of the queue that nobody stands for')
      await lost.restore(isDoubtful ? 'all' : 'some')
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

/** Looks, item by item, whether the queue still has what it was given; round and round, a batch at a time. */
class LostJobs {
  readonly #dependencies: DispatcherDependencies
  #afterId = 0

  constructor(dependencies: DispatcherDependencies) {
    this.#dependencies = dependencies
  }

  /** @param howMany when in doubt all; else a batch, and all that follow as long as something is missing */
  async restore(howMany: 'some' | 'all'): Promise<void> {
    const { db, queue, logger } = this.#dependencies
    const isDoubtful = howMany === 'all'
    if (isDoubtful) this.#afterId = 0
    let restored = 0
    for (;;) {
      const items = await dispatchedItems(db, {
        afterId: this.#afterId,
        limit: isDoubtful ? BATCH : LOOKED_AT,
        minimumAgeMs: isDoubtful ? 0 : MINIMUM_AGE_MS,
      })
      const missing = await restore(queue, items, QUEUE_DEADLINE_MS)
      this.#afterId = items.at(-1)?.id ?? 0
      restored += missing
      if (items.length === 0 || (!isDoubtful && missing === 0)) break
    }
    if (restored > 0) logger.warn({ items: restored }, 'gave the queue back what it had lost')
  }
}

/** One round, until nothing is left to dispatch or to withdraw. */
async function dispatchOnce({ db, queue, logger }: DispatcherDependencies): Promise<void> {
  for (;;) {
    const items = await undispatchedItems(db, { limit: BATCH, minimumAgeMs: MINIMUM_AGE_MS })
    if (items.length === 0) break
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
  for (;;) {
    const ids = await withdrawableItems(db, BATCH)
    if (ids.length === 0) break
    await withdraw(queue, ids, QUEUE_DEADLINE_MS)
    await markWithdrawn(db, ids)
    logger.info({ items: ids.length }, 'took the jobs of ended items out of the queue')
  }
}
