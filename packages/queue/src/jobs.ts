import type { Priority } from '@stockpile/domain/run'
import { ask } from './ask.js'
import { JOB_KIND, jobData, jobIdOf, JOB_PRIORITIES } from './job.js'
import type { IngestQueue, IngestWorker } from './bullmq.js'

/** So many jobs are looked at or removed at a time, so that other users of the connections get their turns. */
const AT_ONCE = 50

export interface QueuedItem {
  id: number
  runId: string
  symbol: string
  priority: Priority
}

/**
 * Gives the queue the items' jobs. An item whose job is there already is left alone.
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
 * Makes sure that each of these unfinished items has a job that will run: one that is missing is added, one that
 * has ended, so that it would swallow the new one, is replaced, and one that is put off though its item is due is put
 * off no more: a worker whose clock is days ahead says when by that clock.
 * @returns how many the queue did not have
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
      // Refused when it has become due by itself meanwhile.
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
 * Takes the items' jobs out of the queue. Those being worked on stay on Redis and go from PostgreSQL; either way their
 * workers find the item cancelled.
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function withdraw(
  queue: IngestQueue,
  itemIds: readonly number[],
  deadlineMs: number,
): Promise<void> {
  await ask(queue, () => fewAtOnce(itemIds, (id) => queue.remove(jobIdOf(id))), deadlineMs, 'remove jobs')
}

/** So that whoever else needs the connections gets a turn. */
async function fewAtOnce<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) {
    await Promise.all(all.slice(from, from + AT_ONCE).map(work))
  }
}

/**
 * Hands the jobs of lost workers out again, as BullMQ's worker does itself every 5 s, but not while it is paused: else what
 * a lost worker held would count as being worked on for as long as the others wait. As often as one likes.
 */
export async function recoverLostJobs(worker: IngestWorker): Promise<void> {
  await worker.backend.moveStalledJobsToWait()
}
