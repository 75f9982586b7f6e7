import type { QueueProblem } from '@stockpile/domain/cause'
import { ask, isOnRedis } from './ask.js'
import { LONGEST_GAP_MS } from './queue.js'
import type { IngestQueue } from './bullmq.js'

/**
 * Ends a pause of the whole queue that nobody stands for: one that an earlier version made, or the spacing of a backend
 * whose clock was ahead when it began. Whether a worker may send is never the queue's to say.
 * @returns how long it would have lasted, in milliseconds; 0 when there was none
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

/** @throws QueueTimeoutError, or the backend's own error, when the queue does not answer */
export async function pingQueue(queue: IngestQueue, deadlineMs: number): Promise<void> {
  await ask(queue, () => queue.getWaitingCount(), deadlineMs, 'answer')
}

export const QUEUE_DOWN: QueueProblem = {
  class: 'queue_down',
  detail: 'The queue does not answer: runs are accepted, and begin once it does.',
}

/** Of a Redis that is full, whose disk is, that is a replica, or that has too few of its own. */
const REFUSES_WRITES = /^(OOM|MISCONF|READONLY|NOREPLICAS)\b/

/**
 * Whether the queue gives and takes jobs. A Redis that is full, cannot write to its disk or is a replica answers all
 * questions and takes nothing: it is given what it has already. Of a PostgreSQL its own checks tell as much.
 * @returns null while it does; never throws
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
    // Any other answer of Redis, as to a password that was changed, is no use either.
    if (!REFUSES_WRITES.test(error.message))
      return { ...QUEUE_DOWN, detail: `${QUEUE_DOWN.detail} Redis says: ${error.message}` }
    return {
      class: 'queue_refuses_jobs',
      detail: `The queue answers, but takes no jobs: runs are accepted, and begin once it does. Redis says: ${error.message}`,
    }
  }
}
