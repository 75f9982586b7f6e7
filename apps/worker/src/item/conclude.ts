import { Refusal } from '@stockpile/domain/refusal'
import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { ClaimLostError } from '@stockpile/db/claim'
import { failKnown } from '@stockpile/db/needless'
import { releaseItem } from '@stockpile/db/items'
import type { Wait } from '@stockpile/domain/waiting'
import { RetryError } from '@stockpile/queue/queue'
import { MAX_ATTEMPTS } from '@stockpile/queue/retry-policy'
import { DelayedError, RateLimitError, UnrecoverableError, WaitingError } from 'bullmq'
import { QuotaWaitError } from '../quota/quota-wait.js'
import type { StorageHealth } from '../quota/storage-health.js'
import type { Attempt } from './attempt.js'
import { delayForDatabase } from './delay-job.js'
import { failItem, retryItem, tellItemFailed } from './fail-item.js'
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
import { ShutdownError } from './in-flight.js'
import { StorageTimeoutError } from './keep-answer.js'
import { snooze } from './snooze.js'
import type { UnreleasedItems } from './unreleased-items.js'

/** When items are tried again, and when no more. */
export interface Policy {
  /** How long to wait after the given failed attempt, counted from 1. Milliseconds. */
  backoffMs: (attempt: number) => number
  /** Keeps this worker from taking jobs until nothing keeps it from sending. */
  closeGate: (wait: Wait) => void
  /** An item that the provider refuses its quota for this long ends as failed. Milliseconds. */
  refusedCapMs: number
}

interface Dependencies {
  db: Connection['db']
  storage: StorageHealth
  unreleased: UnreleasedItems
  policy: Policy
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
}

/** Each attempt costs a request: an answer that could not be stored in time is fetched again no more often than this. */
const MAX_STORAGE_ATTEMPTS = 3

/**
 * Concludes an attempt that did not succeed: retries, snoozes, fails or releases its item. PostgreSQL is told first; then
 * what is thrown makes BullMQ do the same with the job.
 * @returns a sentence for the board when the item is no longer this worker's
 * @throws in all other cases, for BullMQ
 */
export async function conclude(
  dependencies: Dependencies,
  attempt: Attempt,
  thrown: unknown,
): Promise<string> {
  const { signal, item, log } = attempt
  const error: unknown = signal.aborted ? signal.reason : withoutParameters(thrown)
  try {
    return await concludeError(dependencies, attempt, error)
  } catch (concluded) {
    if (isForQueue(concluded)) throw concluded
    if (concluded instanceof ClaimLostError) return CLAIM_LOST
    // The worker was stopped while it waited to record how the attempt ended.
    if (concluded instanceof ShutdownError && !(error instanceof ShutdownError))
      return await conclude(dependencies, attempt, concluded)
    // Recording the rejected rows took too long: the item's end is recorded without them.
    if (concluded instanceof StorageTimeoutError)
      return await failItem(dependencies, attempt, storageTimeout(concluded))
    if (isUnavailable(concluded)) {
      if (item.alone) dependencies.unreleased.note(item)
      return await delayForDatabase(log, attempt, concluded)
    }
    // PostgreSQL refused to record the failure. The item ends with that, since otherwise it would be fetched for ever.
    return await failItem(dependencies, attempt, internalFailure(withoutParameters(concluded)))
  }
}

const CLAIM_LOST = 'the item was cancelled or taken over; nothing was written'

/** @throws what tells BullMQ how to go on; everything else when the conclusion could not be recorded */
async function concludeError(dependencies: Dependencies, attempt: Attempt, error: unknown): Promise<string> {
  const { db } = dependencies
  const { job, token, item, asked, notes, log } = attempt
  if (error instanceof ClaimLostError) {
    log.info(CLAIM_LOST)
    return CLAIM_LOST
  }
  if (error instanceof ShutdownError) {
    await releaseItem(db, item)
    notes.add('the worker stopped; the item is back in the queue')
    await job.moveToWait(token)
    throw new WaitingError()
  }
  if (error instanceof QuotaWaitError) return snooze(dependencies, attempt, error)
  if (error instanceof Refusal) return concludeRefusal(dependencies, attempt, error)
  if (error instanceof PoisonError) return failItem(dependencies, attempt, poison(error))
  if (error instanceof AllRowsRejectedError) {
    const { rejected, dropped } = error
    const ended = { rejected, dropped, answers: answersOf(error, asked) }
    return failItem(dependencies, attempt, allRowsRejected(error), ended)
  }
  if (error instanceof KnownFailureError)
    return tellItemFailed(attempt, await failKnown(db, item, error.failureId))
  if (error instanceof StorageTimeoutError)
    return retryItem(dependencies, attempt, storageTimeout(error), {
      maxAttempts: MAX_STORAGE_ATTEMPTS,
      cause: error,
    })
  if (isUnavailable(error)) throw error
  return retryItem(dependencies, attempt, internalFailure(error), {
    maxAttempts: MAX_ATTEMPTS,
    cause: error,
  })
}

async function concludeRefusal(dependencies: Dependencies, attempt: Attempt, error: Refusal): Promise<never> {
  const { disposition } = error
  const failure = failureOf(error, attempt.asked, dependencies.viaProxy)
  const answers = answersOf(error, attempt.asked)
  return disposition.action === 'retry'
    ? retryItem(dependencies, attempt, failure, {
        maxAttempts: disposition.maxAttempts,
        cause: error,
        answers,
      })
    : failItem(dependencies, attempt, failure, { answers })
}

/** Whether an error tells BullMQ how to go on with the job; every other error is an accident. */
function isForQueue(error: unknown): boolean {
  return [UnrecoverableError, RetryError, RateLimitError, WaitingError, DelayedError].some(
    (known) => error instanceof known,
  )
}
