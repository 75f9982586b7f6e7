import { LATE, within } from '@stockpile/time/wait'
import type { Redis } from 'ioredis'
import type { IngestQueue } from './bullmq.js'

/** Says that the backend of a queue gave no answer in time, or was not asked because it is known to be away. */
export class QueueTimeoutError extends Error {
  override readonly name = 'QueueTimeoutError'
}

const onRedis = new WeakSet<IngestQueue>()
/** Holds the queues that owe an answer to a question whose deadline has passed. */
const overdue = new WeakSet<IngestQueue>()
/** Holds the queues on Redis whose connection was lost or refused and is not made again yet. */
const disconnected = new WeakSet<IngestQueue>()

/** Follows whether a queue on Redis is connected, so that `ask` waits for no queue that is known to be away. */
export function watchConnection(queue: IngestQueue, connection: Redis): void {
  onRedis.add(queue)
  connection.on('close', () => disconnected.add(queue))
  connection.on('ready', () => disconnected.delete(queue))
}

export function isOnRedis(queue: IngestQueue): boolean {
  return onRedis.has(queue)
}

/**
 * Asks a queue one question, and waits for the answer at most `deadlineMs`. A queue that owes an answer is asked nothing
 * more, since the questions would pile up and all arrive at once when the queue is back.
 * @param question sends the question to the queue
 * @param what completes "the queue did not …" in the message of an error
 * @throws QueueTimeoutError when the queue is known to be away, owes an earlier answer, or is late with this answer
 * @throws the error of the backend, when the backend answered with an error in time
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
