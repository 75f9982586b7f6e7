import { tick } from '@stockpile/time/wait'
import { queueProblem } from '@stockpile/queue/health'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { QueueProblem } from '@stockpile/domain/cause'

const INTERVAL_MS = 3_000
/** As long as the heartbeat waits: whose answer is overdue is asked nothing more. */
const DEADLINE_MS = 5_000

/** Looks whether the queue gives and takes jobs, apart from what says that this worker lives: that must not wait for it. */
export class QueueProbe {
  #problem: QueueProblem | null = null

  /** Why it does not, as found twice in a row: a connection that is made again at once is no problem. Null while it does. */
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
