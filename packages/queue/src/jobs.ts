import type { Priority } from '@stockpile/domain/run'
import { ask } from './ask.js'
import { JOB_KIND, jobData, jobIdOf, JOB_PRIORITIES } from './job.js'
import type { IngestQueue, IngestWorker } from './bullmq.js'

/** How many jobs are looked at or removed at once, so that others who share the connections get their turns. */
const AT_ONCE = 50

/** What the queue is told of an item. */
export interface QueuedItem {
  id: number
  runId: string
  symbol: string
  priority: Priority
}

/**
 * Adds the jobs of the items to the queue. An item whose job is in the queue already gets no second job.
 * @throws QueueTimeoutError after `deadlineMs`; the jobs may still arrive
 */
export async function enqueue(
  queue: IngestQueue,
  items: readonly QueuedItem[],
  deadlineMs: number,
): Promise<void> {
  const jobs = items.map((item) => ({
    name: JOB_KIND,
    data: jobData({ itemId: item.id, runId: item.runId, symbol: item.symbol }),
    opts: { jobId: jobIdOf(item.id), priority: JOB_PRIORITIES[item.priority] },
  }))
  await ask(queue, () => queue.addBulk(jobs), deadlineMs, 'add jobs')
}

/**
 * Makes sure that each of these unfinished items has a job that will run. A missing job is added, and an ended job is
 * replaced, since BullMQ ignores a new job of the same id. A delayed job whose item is due runs at once: a worker whose
 * clock is days ahead made the delay.
 * @returns how many jobs were added or replaced
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function restore(
  queue: IngestQueue,
  items: readonly (QueuedItem & { isDue?: boolean })[],
  deadlineMs: number,
): Promise<number> {
  const missing: QueuedItem[] = []
  const look = async (item: QueuedItem & { isDue?: boolean }) => {
    const job = await queue.getJob(jobIdOf(item.id))
    if (job !== undefined && job.finishedOn === undefined) {
      // BullMQ refuses to promote a job that became due by itself meanwhile.
      if (item.isDue === true && job.delay > 0 && (await job.isDelayed())) await job.promote().catch(() => {})
      return
    }
    missing.push(item)
    if (job !== undefined) await queue.remove(jobIdOf(item.id))
  }
  await ask(queue, () => fewAtOnce(items, look), deadlineMs, 'show its jobs')
  if (missing.length > 0) await enqueue(queue, missing, deadlineMs)
  return missing.length
}

/**
 * Removes the jobs of the items from the queue. A job that a worker is working on stays in Redis and is removed from
 * PostgreSQL; in both cases the worker finds out that its item is cancelled.
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function withdraw(
  queue: IngestQueue,
  itemIds: readonly number[],
  deadlineMs: number,
): Promise<void> {
  await ask(queue, () => fewAtOnce(itemIds, (id) => queue.remove(jobIdOf(id))), deadlineMs, 'remove jobs')
}

/** Works on `AT_ONCE` elements at a time. */
async function fewAtOnce<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) {
    await Promise.all(all.slice(from, from + AT_ONCE).map(work))
  }
}

/**
 * Hands out the jobs of lost workers again, also while this worker is paused. BullMQ's worker does so itself every 5 s, but
 * not while it is paused: the jobs of a lost worker would count as worked on until the pause ends. A repeated call does no harm.
 */
export async function recoverLostJobs(worker: IngestWorker): Promise<void> {
  await worker.backend.moveStalledJobsToWait()
}
