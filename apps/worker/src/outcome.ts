import { AlphaVantageError, DISPOSITIONS } from '@stockpile/alphavantage/refusal'
import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { ClaimLostError, failAttempt, releaseItem } from '@stockpile/db/items'
import type { ClaimedItem, Failure, RejectedRow } from '@stockpile/db/items'
import { MAX_ATTEMPTS } from '@stockpile/queue/retry-policy'
import { RetryLaterError } from '@stockpile/queue/queue'
import type { IngestJob } from '@stockpile/queue/queue'
import { DelayedError, RateLimitError, UnrecoverableError, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import {
  AllRowsRejectedError,
  allRowsRejected,
  failureOf,
  internalFailure,
  poison,
  PoisonError,
} from './failure.js'
import { ShutdownError } from './in-flight.js'
import type { JobNotes } from './job-notes.js'
import { QuotaWaitError } from './quota.js'

export interface Outcomes {
  /** How long to wait after the given failed attempt (from 1). Milliseconds. */
  backoffMs: (attempt: number) => number
  /** Keeps all workers from starting anything; says whether they were not kept so long already. */
  pauseAll: (ms: number) => Promise<boolean>
  /** The same for this worker alone. */
  pauseOwn: (ms: number) => Promise<boolean>
  /** An item that the provider refuses its quota for so long ends. Milliseconds. */
  refusedCapMs: number
  /** Told that the provider could not be reached; says how long to start nothing, in milliseconds. */
  unreachableMs: () => number
  /** Told that it was. */
  reached: () => void
}

/** As often at least: one refusal long ago, and one now, are not refusing for days on end. */
const MIN_REFUSALS = 7

interface Attempt {
  job: IngestJob
  token: string | undefined
  item: ClaimedItem
  signal: AbortSignal
  notes: JobNotes
}

/** How long an item stays away from a database that is away. */
const DATABASE_WAIT_MS = 5_000

/**
 * Turns what went wrong into one of the worker's outcomes (retry, snooze, fail, or nothing to do), records it
 * in PostgreSQL first, and throws what makes BullMQ do the same.
 * @returns a sentence for the board when the item is not this worker's any more
 */
export async function conclude(
  dependencies: { db: Connection['db']; outcomes: Outcomes; logger: Logger },
  attempt: Attempt,
  thrown: unknown,
): Promise<string> {
  const { db, logger } = dependencies
  const error: unknown = attempt.signal.aborted ? attempt.signal.reason : withoutParameters(thrown)
  try {
    if (error instanceof ClaimLostError) {
      logger.info('the item was cancelled or taken over; nothing was written')
      return 'the item was cancelled or taken over; nothing was written'
    }
    if (error instanceof ShutdownError) {
      await releaseItem(db, attempt.item, null)
      attempt.notes.add('the worker stopped; the item is back in the queue')
      await attempt.job.moveToWait(attempt.token)
      throw new WaitingError()
    }
    if (error instanceof QuotaWaitError) return await snooze(dependencies, attempt, error)
    if (error instanceof AlphaVantageError) return await concludeRefusal(dependencies, attempt, error)
    if (error instanceof PoisonError) return await fail(dependencies, attempt, poison(error))
    if (error instanceof AllRowsRejectedError)
      return await fail(dependencies, attempt, allRowsRejected(error), error.rejected)
    if (!isUnavailable(error))
      return await retry(dependencies, attempt, internalFailure(error), MAX_ATTEMPTS, error)
    throw error
  } catch (concluded) {
    if (concluded instanceof ClaimLostError)
      return 'the item was cancelled or taken over; nothing was written'
    if (isVerdict(concluded)) throw concluded
    if (isUnavailable(concluded)) return await postpone(logger, attempt.job, attempt.token, concluded)
    // The failure itself could not be recorded: as what it is, the item ends, rather than being fetched for ever.
    return await fail(dependencies, attempt, internalFailure(withoutParameters(concluded)))
  }
}

/** What tells BullMQ how to go on; everything else that is thrown is an accident. */
function isVerdict(error: unknown): boolean {
  return [UnrecoverableError, RetryLaterError, RateLimitError, WaitingError, DelayedError].some(
    (verdict) => error instanceof verdict,
  )
}

/**
 * Puts a job off because of the database, which costs no attempt: the item stays as it is, and is taken (over)
 * when its job comes back.
 */
export async function postpone(
  logger: Logger,
  job: IngestJob,
  token: string | undefined,
  error: unknown,
): Promise<never> {
  logger.error(
    { err: error, job: job.id, waitMs: DATABASE_WAIT_MS },
    'the database did not answer as it should; the job waits',
  )
  await job.moveToDelayed(Date.now() + DATABASE_WAIT_MS, token)
  throw new DelayedError()
}

type Dependencies = Parameters<typeof conclude>[0]

async function concludeRefusal(
  dependencies: Dependencies,
  attempt: Attempt,
  error: AlphaVantageError,
): Promise<never> {
  const { disposition } = error
  if (error.sent) dependencies.outcomes.reached()
  // A refusal that is remembered was not sent either, and says nothing of the way there.
  else if (disposition.outcome === 'retry') await pauseUnreachable(dependencies)
  return disposition.outcome === 'retry'
    ? retry(dependencies, attempt, failureOf(error), disposition.maxAttempts, error)
    : fail(dependencies, attempt, failureOf(error))
}

async function pauseUnreachable({ outcomes, logger }: Dependencies): Promise<void> {
  const pauseMs = outcomes.unreachableMs()
  try {
    if (await outcomes.pauseAll(pauseMs))
      logger.warn({ pauseMs }, 'the provider cannot be reached; all workers wait')
  } catch (error) {
    logger.warn({ err: error }, 'cannot pause the other workers')
  }
}

async function fail(
  { db, logger }: Dependencies,
  { item, notes }: Attempt,
  failure: Failure,
  rejected: readonly RejectedRow[] = [],
): Promise<never> {
  await failAttempt(db, item, failure, { final: true, rejected })
  logger.error({ class: failure.class, detail: failure.detail, advice: failure.advice }, 'failed for good')
  notes.add(`failed for good (${failure.class}): ${failure.detail} ${failure.advice}`)
  throw withoutStack(new UnrecoverableError(`${failure.class}: ${failure.detail}`))
}

async function retry(
  dependencies: Dependencies,
  attempt: Attempt,
  failure: Failure,
  maxAttempts: number,
  cause: unknown,
): Promise<never> {
  const { item, notes } = attempt
  const number = item.attempts + 1
  if (number >= Math.min(maxAttempts, MAX_ATTEMPTS)) return fail(dependencies, attempt, failure)
  const retryInMs = dependencies.outcomes.backoffMs(number)
  await failAttempt(dependencies.db, item, failure, { retryInMs })
  dependencies.logger.warn(
    { class: failure.class, detail: failure.detail, retryInMs, err: cause },
    'attempt failed, will be tried again',
  )
  notes.add(
    `attempt ${number} failed (${failure.class}): ${failure.detail} Next attempt in ${Math.ceil(retryInMs / 1000)} s.`,
  )
  throw withoutStack(new RetryLaterError(`${failure.class}: ${failure.detail}`, retryInMs))
}

/** The next slot can be reserved a second ahead: who comes a little early loses none of it. */
const EARLY_MS = 500

async function snooze(
  dependencies: Dependencies,
  attempt: Attempt,
  { wait, refusal }: QuotaWaitError,
): Promise<never> {
  const { db, outcomes, logger } = dependencies
  const { item, notes } = attempt
  if (
    refusal !== null &&
    wait.refused &&
    item.refusedMs > outcomes.refusedCapMs &&
    item.refusals >= MIN_REFUSALS
  )
    return fail(dependencies, attempt, failureOf(refusal))
  await releaseItem(db, item, wait)
  // Without the pause the others would find out by themselves, each with a question to the ledger. But for the key:
  // each worker reads its own, and that of another may work.
  const isKey = wait.for === 'key'
  const pausing = isKey
    ? outcomes.pauseOwn(wait.ms)
    : outcomes.pauseAll(Math.max(0, wait.ms - (wait.refused ? 0 : EARLY_MS)))
  const paused = await pausing.catch((error: unknown) =>
    logger.warn({ err: error }, 'cannot pause the other workers'),
  )
  const level = isKey ? 'error' : refusal === null ? 'info' : 'warn'
  logger[wait.for !== null && (paused === true || refusal !== null) ? level : 'debug'](
    {
      class: refusal?.class,
      advice: refusal === null ? undefined : DISPOSITIONS[refusal.class].advice,
      waitMs: wait.ms,
    },
    `${isKey ? 'this worker waits' : 'all workers wait'}: ${wait.reason}`,
  )
  notes.add(`waits ${Math.ceil(wait.ms / 1000)} s: ${wait.reason} No attempt is spent.`)
  throw new RateLimitError()
}

/** The board shows an error's stack; where an outcome was thrown tells nobody anything. */
function withoutStack<T extends Error>(error: T): T {
  error.stack = error.message
  return error
}
