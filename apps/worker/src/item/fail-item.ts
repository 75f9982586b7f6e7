import type { Connection } from '@stockpile/db/connection'
import { failAttempt } from '@stockpile/db/fail-attempt'
import type { Failure } from '@stockpile/domain/failure'
import type { Final } from '@stockpile/db/fail-attempt'
import { RetryError } from '@stockpile/queue/queue'
import { MAX_ATTEMPTS } from '@stockpile/queue/retry-policy'
import { UnrecoverableError } from 'bullmq'
import type { StorageHealth } from '../quota/storage-health.js'
import type { Attempt } from './attempt.js'
import { keepUntilStored } from './keep-answer.js'

interface Dependencies {
  db: Connection['db']
  storage: StorageHealth
}

/**
 * Records a failure that ends the item.
 * @param ended what else is recorded with the end: rejected rows, and which requests the failure answers for
 * @throws always: UnrecoverableError, which tells BullMQ to fail the job; what `keepUntilStored` throws
 */
export async function failItem(
  { db, storage }: Dependencies,
  attempt: Attempt,
  failure: Failure,
  ended: Omit<Final, 'final' | 'outputsize'> = {},
): Promise<never> {
  const { item, asked, signal, log } = attempt
  const { outputsize } = asked
  const record = () => failAttempt(db, item, failure, { final: true, outputsize, ...ended })
  await keepUntilStored(storage, record, { signal, log })
  return tellItemFailed(attempt, failure)
}

/**
 * Says in log and board that an item has failed, once PostgreSQL knows.
 * @throws always: UnrecoverableError
 */
export function tellItemFailed(
  { notes, log }: Attempt,
  failure: Pick<Failure, 'class' | 'detail' | 'advice'>,
): never {
  log.error({ class: failure.class, detail: failure.detail, advice: failure.advice }, 'failed for good')
  notes.add(`failed for good (${failure.class}): ${failure.detail} ${failure.advice}`)
  throw withoutStack(new UnrecoverableError(`${failure.class}: ${failure.detail}`))
}

/**
 * Records a failed attempt and has the item tried again after a backoff; ends the item when its attempts are spent.
 * @param options.maxAttempts attempts that the item has for a failure of this class
 * @param options.cause what was thrown, for the log
 * @throws always: RetryError or UnrecoverableError; what `keepUntilStored` throws
 */
export async function retryItem(
  dependencies: Dependencies & { policy: { backoffMs: (attempt: number) => number } },
  attempt: Attempt,
  failure: Failure,
  { maxAttempts, cause, answers = null }: { maxAttempts: number; cause: unknown } & Pick<Final, 'answers'>,
): Promise<never> {
  const { db, storage, policy } = dependencies
  const { item, notes, signal, log } = attempt
  const number = item.attempts + 1
  if (number >= Math.min(maxAttempts, MAX_ATTEMPTS))
    return failItem(dependencies, attempt, failure, { answers })
  const retryInMs = policy.backoffMs(number)
  await keepUntilStored(storage, () => failAttempt(db, item, failure, { retryInMs }), { signal, log })
  log.warn(
    { class: failure.class, detail: failure.detail, retryInMs, err: cause },
    'attempt failed, will be tried again',
  )
  notes.add(
    `attempt ${number} failed (${failure.class}): ${failure.detail} Next attempt in ${Math.ceil(retryInMs / 1000)} s.`,
  )
  throw withoutStack(new RetryError(`${failure.class}: ${failure.detail}`, retryInMs))
}

/** Removes the stack, which the board would show and which tells nothing about a failure of the provider. */
function withoutStack<T extends Error>(error: T): T {
  error.stack = error.message
  return error
}
