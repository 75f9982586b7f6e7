import { tick } from '@stockpile/time/wait'
import { queueProblem } from '@stockpile/queue/health'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { QueueProblem } from '@stockpile/domain/cause'

const INTERVAL_MS = 3_000
/** The heartbeat waits as long: a queue whose answer is overdue is asked nothing more by either. */
const DEADLINE_MS = 5_000

/** Looks whether the queue gives and takes jobs, in a loop of its own, since the worker's presence must not wait for a queue. */
export class QueueProbe {
  #problem: QueueProblem | null = null

  /**
   * Why the queue gives or takes no jobs, once that was found twice in a row, since a connection that is made again at once is
   * no problem; null while the queue does both.
   */
  get problem(): QueueProblem | null {
    return this.#problem
  }

  /** Looks every 3 s until `signal` aborts. */
  async watch(queue: IngestQueue, signal: AbortSignal): Promise<void> {
    let last: QueueProblem | null = null
    do {
      const found = await queueProblem(queue, DEADLINE_MS)
      this.#problem = last === null ? null : found
      last = found
    } while (await tick(INTERVAL_MS, signal))
  }
}
