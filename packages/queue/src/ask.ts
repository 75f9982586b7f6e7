import { LATE, within } from '@stockpile/time/wait'
import type { Redis } from 'ioredis'
import type { IngestQueue } from './bullmq.js'

/** The queue's backend gave no answer in time. */
export class QueueTimeoutError extends Error {
  override readonly name = 'QueueTimeoutError'
}

const onRedis = new WeakSet<IngestQueue>()
/** Queues that have not answered a question whose deadline has passed. */
const overdue = new WeakSet<IngestQueue>()
/** Queues on Redis whose connection was lost or refused, and has not been made again since. */
const disconnected = new WeakSet<IngestQueue>()

/** Follows whether a queue on Redis is connected, so that nobody waits for one that is known to be away. */
export function watchConnection(queue: IngestQueue, connection: Redis): void {
  onRedis.add(queue)
  connection.on('close', () => disconnected.add(queue))
  connection.on('ready', () => disconnected.delete(queue))
}

export function isOnRedis(queue: IngestQueue): boolean {
  return onRedis.has(queue)
}

/**
 * Asks a queue one question, and waits for the answer at most `deadlineMs`. Further questions to a queue that hangs would
 * only pile up and arrive all at once later, so a queue that has not answered yet is asked nothing more.
 * @param question sends it
 * @param what completes "the queue did not …" in the message of an error
 * @throws QueueTimeoutError when the queue is known to be away, has not answered an earlier question, or is late with
 *   this one; what the queue itself threw
 */
export async function ask<T>(
  queue: IngestQueue,
  question: () => Promise<T>,
  deadlineMs: number,
  what: string,
): Promise<T> {
  if (overdue.has(queue))
    throw new QueueTimeoutError(`the queue did not ${what}: it owes an earlier answer still`)
  if (disconnected.has(queue)) throw new QueueTimeoutError(`the queue could not ${what}: it is not connected`)
  const work = question()
  const answer = await within(work, deadlineMs)
  if (answer !== LATE) return answer
  overdue.add(queue)
  const settled = () => overdue.delete(queue)
  work.then(settled, settled)
  throw new QueueTimeoutError(`the queue did not ${what} within ${deadlineMs} ms`)
}
