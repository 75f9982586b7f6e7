import type { QueueProblem } from '@stockpile/domain/cause'
import { ask, isOnRedis } from './ask.js'
import { LONGEST_GAP_MS } from './queue.js'
import type { IngestQueue } from './bullmq.js'

/**
 * Ends a pause of the whole queue that lasts longer than any spacing: an earlier version made the pause, or the clock of
 * the backend was ahead when a spacing began. The ledger decides whether a worker may send, never the queue.
 * @returns how long the pause would have lasted, in milliseconds; 0 when the queue was not paused for so long
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function endLeftPause(queue: IngestQueue, deadlineMs: number): Promise<number> {
  const end = async () => {
    const leftMs = await queue.getRateLimitTtl()
    if (leftMs <= 2 * LONGEST_GAP_MS) return 0
    await queue.removeRateLimitKey()
    return leftMs
  }
  return ask(queue, end, deadlineMs, 'end a pause')
}

/**
 * Resolves when the queue answers.
 * @throws QueueTimeoutError after `deadlineMs`, or the error of the backend
 */
export async function pingQueue(queue: IngestQueue, deadlineMs: number): Promise<void> {
  await ask(queue, () => queue.getWaitingCount(), deadlineMs, 'answer')
}

export const QUEUE_DOWN: QueueProblem = {
  class: 'queue_down',
  detail: 'The queue does not answer: runs are accepted, and begin once it does.',
}

/** Begins what Redis answers to a write when its memory or disk is full, it is a replica, or it has too few replicas. */
const REFUSES_WRITES = /^(OOM|MISCONF|READONLY|NOREPLICAS)\b/

/**
 * Finds out whether the queue gives and takes jobs. A Redis that is full, cannot write to its disk or is a replica still
 * answers questions, so Redis is also asked to write what it has already. A PostgreSQL that takes no writes is found by
 * the checks of the database.
 * @returns why the queue gives or takes no jobs, or null when it does both; never throws
 */
export async function queueProblem(queue: IngestQueue, deadlineMs: number): Promise<QueueProblem | null> {
  const use = async () => {
    await queue.getWaitingCount()
    if (isOnRedis(queue)) await queue.backend.setQueueMeta(queue.metaValues)
  }
  try {
    await ask(queue, use, deadlineMs, 'give and take jobs')
    return null
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ReplyError') return QUEUE_DOWN
    // When Redis refuses for another reason, such as a changed password, the queue is as good as down, and Redis' words help.
    if (!REFUSES_WRITES.test(error.message))
      return { ...QUEUE_DOWN, detail: `${QUEUE_DOWN.detail} Redis says: ${error.message}` }
    return {
      class: 'queue_refuses_jobs',
      detail: `The queue answers, but takes no jobs: runs are accepted, and begin once it does. Redis says: ${error.message}`,
    }
  }
}
