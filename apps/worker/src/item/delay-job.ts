import { withoutParameters } from '@stockpile/db/connection'
import { DelayedError } from 'bullmq'
import type { Logger } from 'pino'
import type { HandedJob } from './attempt.js'

/**
 * Gives a job back to the queue, which hands the job out again after `delayMs`.
 * @throws always: DelayedError, which tells BullMQ that the job was moved
 */
export async function delayJob({ job, token }: HandedJob, delayMs: number): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token)
  throw new DelayedError()
}

const DATABASE_DELAY_MS = 5_000

/**
 * Delays a job because PostgreSQL failed to answer. This costs no attempt: the item keeps its state, and the next worker
 * that gets the job takes the item, or takes the item over.
 * @throws always: DelayedError
 */
export async function delayForDatabase(logger: Logger, handed: HandedJob, error: unknown): Promise<never> {
  logger.error(
    { err: withoutParameters(error), job: handed.job.id, waitMs: DATABASE_DELAY_MS },
    'the database did not answer as it should; the job waits',
  )
  return delayJob(handed, DATABASE_DELAY_MS)
}
