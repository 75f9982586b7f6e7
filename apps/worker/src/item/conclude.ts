import { AlphaVantageError, DISPOSITIONS } from '@stockpile/alphavantage/refusal'
import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { ClaimLostError } from '@stockpile/db/claim'
import { failAttempt } from '@stockpile/db/fail-attempt'
import { failKnown } from '@stockpile/db/needless'
import { releaseItem, snoozeItem } from '@stockpile/db/items'
import type { ClaimedItem } from '@stockpile/db/claim'
import type { Failure } from '@stockpile/domain/failure'
import type { Final } from '@stockpile/db/fail-attempt'
import type { Wait } from '@stockpile/domain/run'
import { priorityBehind } from '@stockpile/queue/job'
import { MAX_ATTEMPTS } from '@stockpile/queue/retry-policy'
import { RetryLaterError } from '@stockpile/queue/queue'
import type { IngestJob } from '@stockpile/queue/queue'
import { DelayedError, RateLimitError, UnrecoverableError, WaitingError } from 'bullmq'
import type { Logger } from 'pino'
import {
  AllRowsRejectedError,
  allRowsRejected,
  answersOf,
  failureOf,
  internalFailure,
  KnownFailureError,
  poison,
  PoisonError,
  storageTimeout,
} from './failures.js'
import type { Asked } from './failures.js'
import { ShutdownError } from './in-flight.js'
import type { JobNotes } from './job-notes.js'
import type { Postponed } from './postponed.js'
import { QuotaWaitError } from '../quota/quota.js'
import { StorageTimeoutError } from './answer-keeper.js'
import type { AnswerKeeper } from './answer-keeper.js'

export interface Outcomes {
  /** How long to wait after the given failed attempt (from 1). Milliseconds. */
  backoffMs: (attempt: number) => number
  /** Keeps this worker from taking jobs until nothing keeps it from sending. */
  closeGate: (wait: Wait) => void
  /** An item that the provider refuses its quota for so long ends. Milliseconds. */
  refusedCapMs: number
}

/** As often at least: one refusal long ago, and one now, are not refusing for days on end. */
const MIN_REFUSALS = 7

interface Attempt {
  job: IngestJob
  token: string | undefined
  item: ClaimedItem
  asked: Asked
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
  dependencies: Dependencies,
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
      await releaseItem(db, attempt.item)
      attempt.notes.add('the worker stopped; the item is back in the queue')
      await attempt.job.moveToWait(attempt.token)
      throw new WaitingError()
    }
    if (error instanceof QuotaWaitError) return await snooze(dependencies, attempt, error)
    if (error instanceof AlphaVantageError) return await concludeRefusal(dependencies, attempt, error)
    if (error instanceof PoisonError) return await fail(dependencies, attempt, poison(error))
    if (error instanceof AllRowsRejectedError)
      return await fail(dependencies, attempt, allRowsRejected(error), {
        rejected: error.rejected,
        dropped: error.dropped,
        answers: answersOf(error, attempt.asked),
      })
    if (error instanceof KnownFailureError) {
      const failure = await failKnown(db, attempt.item, error.failureId)
      return endFailed(dependencies, attempt, failure)
    }
    if (error instanceof StorageTimeoutError)
      return await retry(dependencies, attempt, storageTimeout(error), {
        maxAttempts: MAX_STORAGE_ATTEMPTS,
        cause: error,
      })
    if (!isUnavailable(error))
      return await retry(dependencies, attempt, internalFailure(error), {
        maxAttempts: MAX_ATTEMPTS,
        cause: error,
      })
    throw error
  } catch (concluded) {
    if (concluded instanceof ClaimLostError)
      return 'the item was cancelled or taken over; nothing was written'
    if (isVerdict(concluded)) throw concluded
    // The worker was stopped while it kept what was to be recorded.
    if (concluded instanceof ShutdownError && !(error instanceof ShutdownError))
      return await conclude(dependencies, attempt, concluded)
    // The account of the rejected rows took too long: without it the item's end is told.
    if (concluded instanceof StorageTimeoutError)
      return await fail(dependencies, attempt, storageTimeout(concluded))
    if (isUnavailable(concluded)) {
      if (attempt.item.alone) dependencies.postponed.note(attempt.item)
      return await postpone(logger, attempt.job, attempt.token, concluded)
    }
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
    { err: withoutParameters(error), job: job.id, waitMs: DATABASE_WAIT_MS },
    'the database did not answer as it should; the job waits',
  )
  await job.moveToDelayed(Date.now() + DATABASE_WAIT_MS, token)
  throw new DelayedError()
}

interface Dependencies {
  db: Connection['db']
  storage: AnswerKeeper
  postponed: Postponed
  outcomes: Outcomes
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
  logger: Logger
}

/** Each costs a request: what could not be stored in time is fetched again no more often. */
const MAX_STORAGE_ATTEMPTS = 3

async function concludeRefusal(
  dependencies: Dependencies,
  attempt: Attempt,
  error: AlphaVantageError,
): Promise<never> {
  const { disposition } = error
  const failure = failureOf(error, attempt.asked, dependencies.viaProxy)
  const answers = answersOf(error, attempt.asked)
  return disposition.outcome === 'retry'
    ? retry(dependencies, attempt, failure, { maxAttempts: disposition.maxAttempts, cause: error, answers })
    : fail(dependencies, attempt, failure, { answers })
}

async function fail(
  dependencies: Dependencies,
  attempt: Attempt,
  failure: Failure,
  ended: Omit<Final, 'final' | 'outputsize'> = {},
): Promise<never> {
  const { db, storage, logger } = dependencies
  const { item, asked, signal } = attempt
  const { outputsize } = asked
  const record = () => failAttempt(db, item, failure, { final: true, outputsize, ...ended })
  await storage.keep(record, { signal, log: logger })
  return endFailed(dependencies, attempt, failure)
}

function endFailed(
  { logger }: Dependencies,
  { notes }: Attempt,
  failure: Pick<Failure, 'class' | 'detail' | 'advice'>,
): never {
  logger.error({ class: failure.class, detail: failure.detail, advice: failure.advice }, 'failed for good')
  notes.add(`failed for good (${failure.class}): ${failure.detail} ${failure.advice}`)
  throw withoutStack(new UnrecoverableError(`${failure.class}: ${failure.detail}`))
}

async function retry(
  dependencies: Dependencies,
  attempt: Attempt,
  failure: Failure,
  { maxAttempts, cause, answers = null }: { maxAttempts: number; cause: unknown } & Pick<Final, 'answers'>,
): Promise<never> {
  const { db, storage, logger } = dependencies
  const { item, notes, signal } = attempt
  const number = item.attempts + 1
  if (number >= Math.min(maxAttempts, MAX_ATTEMPTS)) return fail(dependencies, attempt, failure, { answers })
  const retryInMs = dependencies.outcomes.backoffMs(number)
  await storage.keep(() => failAttempt(db, item, failure, { retryInMs }), { signal, log: logger })
  logger.warn(
    { class: failure.class, detail: failure.detail, retryInMs, err: cause },
    'attempt failed, will be tried again',
  )
  notes.add(
    `attempt ${number} failed (${failure.class}): ${failure.detail} Next attempt in ${Math.ceil(retryInMs / 1000)} s.`,
  )
  throw withoutStack(new RetryLaterError(`${failure.class}: ${failure.detail}`, retryInMs))
}

/** So much later than the next may go, what goes behind the others comes back. */
const BEHIND_MS = 1_000

async function snooze(
  dependencies: Dependencies,
  attempt: Attempt,
  { wait, refusal, isBehind }: QuotaWaitError,
): Promise<never> {
  const { db, storage, outcomes, logger } = dependencies
  const { item, notes, signal } = attempt
  if (
    refusal !== null &&
    wait.refused &&
    item.refusedMs > outcomes.refusedCapMs &&
    item.refusals >= MIN_REFUSALS
  )
    return fail(dependencies, attempt, failureOf(refusal, attempt.asked, dependencies.viaProxy))
  const record = () => snoozeItem(db, item, wait)
  // A refusal cost a request: it is not to be asked for again only because it could not be noted.
  await (refusal === null ? record() : storage.keep(record, { signal, log: logger }))
  // Without it this worker would take the others one by one, each with a question to the ledger.
  outcomes.closeGate(wait)
  if (refusal !== null)
    logger[wait.for === 'key' ? 'error' : 'warn'](
      { class: refusal.class, advice: DISPOSITIONS[refusal.class].advice, waitMs: wait.ms },
      wait.reason,
    )
  notes.add(`waits ${Math.ceil(wait.ms / 1000)} s: ${wait.reason} No attempt is spent.`)
  if (isBehind) {
    await attempt.job.changePriority({ priority: priorityBehind(attempt.job.priority) })
    await attempt.job.moveToDelayed(Date.now() + wait.ms + BEHIND_MS, attempt.token)
    throw new DelayedError()
  }
  throw new RateLimitError()
}

/** The board shows an error's stack; where an outcome was thrown tells nobody anything. */
function withoutStack<T extends Error>(error: T): T {
  error.stack = error.message
  return error
}
