import type { Database } from '@stockpile/db/connection'
import { markDispatched, markWithdrawn, withdrawableItems } from '@stockpile/db/dispatch'
import type { DispatchableItem } from '@stockpile/db/dispatch'
import { enqueue, withdraw } from '@stockpile/queue/jobs'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { FastifyBaseLogger } from 'fastify'

/** A request waits for the queue this long at most, so that with its transaction it is answered within a second. */
const DEADLINE_MS = 500
/** The chunks are small, so that the deadline is checked often enough. */
const ENQUEUE_CHUNK = 500
const WITHDRAW_CHUNK = 250

const LEFT = "the queue did not take everything in time: the worker's dispatcher will do the rest"

export interface Dispatch {
  /**
   * Enqueues the jobs of a committed run, as many as the queue takes in time. Never rejects: the worker's dispatcher does
   * the rest.
   */
  enqueueItems(items: readonly DispatchableItem[], log: FastifyBaseLogger): Promise<void>
  /**
   * Withdraws the jobs of cancelled items, as many as it can in time. Never rejects: the worker's dispatcher does the rest.
   */
  withdrawCancelled(log: FastifyBaseLogger): Promise<void>
}

/**
 * The API's way to the queue, without which a request must succeed too. Calls are made one after the other, so that at
 * most one hangs, however many requests come meanwhile.
 */
export function createDispatch({ db, queue }: { db: Database; queue: IngestQueue }): Dispatch {
  let turn: Promise<void> = Promise.resolve()

  function inTurn(work: (remainingMs: () => number) => Promise<void>): Promise<void> {
    const endsAt = performance.now() + DEADLINE_MS
    turn = turn.then(() => work(() => endsAt - performance.now()))
    return turn
  }

  return {
    enqueueItems: (items, log) =>
      inTurn(async (remainingMs) => {
        let left = items
        try {
          while (left.length > 0 && remainingMs() > 0) {
            const chunk = left.slice(0, ENQUEUE_CHUNK)
            await enqueue(queue, chunk, remainingMs())
            await markDispatched(
              db,
              chunk.map((item) => item.id),
            )
            left = left.slice(chunk.length)
          }
          if (left.length === 0) return
          log.info({ items: items.length, left: left.length }, LEFT)
        } catch (error) {
          log.warn({ err: error, items: items.length, left: left.length }, LEFT)
        }
      }),

    withdrawCancelled: (log) =>
      inTurn(async (remainingMs) => {
        try {
          while (remainingMs() > 0) {
            const ids = await withdrawableItems(db, WITHDRAW_CHUNK)
            if (ids.length === 0) return
            await withdraw(queue, ids, remainingMs())
            await markWithdrawn(db, ids)
          }
          log.info(LEFT)
        } catch (error) {
          log.warn({ err: error }, LEFT)
        }
      }),
  }
}
