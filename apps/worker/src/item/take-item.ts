import type { Connection } from '@stockpile/db/connection'
import { failAttempt } from '@stockpile/db/fail-attempt'
import { backoffLeftMs, takeItem } from '@stockpile/db/items'
import type { ClaimedItem } from '@stockpile/db/claim'
import { InvalidJobError, itemIdOf, parseJobData } from '@stockpile/queue/job'
import { UnrecoverableError } from 'bullmq'
import type { Logger } from 'pino'
import type { HandedJob } from './attempt.js'
import { delayForDatabase, delayJob } from './delay-job.js'
import type { InFlight } from './in-flight.js'
import type { UnreleasedItems } from './unreleased-items.js'

interface Dependencies {
  db: Connection['db']
  inFlight: InFlight
  unreleased: UnreleasedItems
  /** Whether the plan serves `outputsize=full`. */
  fullHistory: boolean
  logger: Logger
}

/** How long a second job of an item is delayed while the item is in this worker's hands. */
const HELD_DELAY_MS = 5_000

/**
 * Takes the item of a job: raises the item's claim, so that every earlier holder is refused from then on.
 * @param options.alone whether this worker holds nothing else meanwhile
 * @returns null when the item is finished, cancelled or unknown
 * @throws DelayedError when the item may not be taken yet, or PostgreSQL does not answer; UnrecoverableError when the
 *   job's payload cannot be understood
 */
export async function takeItemOf(
  dependencies: Dependencies,
  handed: HandedJob,
  { alone }: { alone: boolean },
): Promise<ClaimedItem | null> {
  const { db, inFlight, unreleased, fullHistory, logger } = dependencies
  const itemId = itemIdOf(handed.job.id)
  // The queue took this worker for lost, as happens when the queue itself was away.
  if (inFlight.has(itemId)) return delayJob(handed, HELD_DELAY_MS)
  try {
    await unreleased.excuse()
    const item = await takeItem(db, parseJobData(handed.job.data).itemId, { alone, fullHistory })
    if (item !== null) return item
  } catch (error) {
    if (error instanceof InvalidJobError) return failInvalidJob(dependencies, handed, error)
    // PostgreSQL may have taken the item, and only its answer be lost.
    if (alone) unreleased.note({ id: itemId, claim: null })
    return delayForDatabase(logger, handed, error)
  }
  await delayUntilDue(dependencies, handed)
  return null
}

/**
 * Delays a job whose item waits for its next attempt. The queue hands jobs out by the clocks of the workers, of which one
 * may be wrong, and hands out at once what it had lost: when an item is due is for PostgreSQL to say.
 */
async function delayUntilDue({ db, logger }: Dependencies, handed: HandedJob): Promise<void> {
  const delayMs = await backoffLeftMs(db, itemIdOf(handed.job.id) ?? 0).catch((error: unknown) =>
    delayForDatabase(logger, handed, error),
  )
  if (delayMs > 0) await delayJob(handed, delayMs)
}

/** Ends the item of a payload that cannot be understood, with the reason, so that the job never blocks the queue. */
async function failInvalidJob(
  { db, logger }: Dependencies,
  { job }: HandedJob,
  error: InvalidJobError,
): Promise<never> {
  logger.error({ job: job.id, class: error.class }, error.message)
  const itemId = itemIdOf(job.id)
  const item = itemId === null ? null : await takeItem(db, itemId)
  if (item !== null) {
    const advice = 'Let workers and API run the same version of Stockpile, then ask for the symbol again.'
    await failAttempt(
      db,
      item,
      { class: error.class, detail: error.message, advice, httpStatus: null, evidence: null },
      { final: true },
    )
  }
  throw new UnrecoverableError(error.message)
}
