import type { Connection } from '@stockpile/db/connection'
import { snoozeItem } from '@stockpile/db/items'
import type { Wait } from '@stockpile/domain/waiting'
import { priorityBehind } from '@stockpile/queue/job'
import { RateLimitError } from 'bullmq'
import type { QuotaWaitError } from '../quota/quota-wait.js'
import type { StorageHealth } from '../quota/storage-health.js'
import type { Attempt } from './attempt.js'
import { delayJob } from './delay-job.js'
import { failItem } from './fail-item.js'
import { failureOf } from './failures.js'
import { keepUntilStored } from './keep-answer.js'

interface Dependencies {
  db: Connection['db']
  storage: StorageHealth
  policy: {
    /** Keeps this worker from taking jobs until nothing keeps it from sending. */
    closeGate: (wait: Wait) => void
    /** An item that the provider refuses its quota for this long ends as failed. Milliseconds. */
    refusedCapMs: number
  }
  /** Whether a proxy is set, for advice. */
  viaProxy: boolean
}

/** At least this many refusals end an item: one refusal long ago and one now do not show that all between were refused. */
const MIN_REFUSALS = 7

/** How much later than the wait's end a job that goes behind the others is due, so that the others are handed out first. */
const BEHIND_MS = 1_000

/**
 * Snoozes an item until quota, key, provider or storage allow it: the item is pending again and no attempt is spent. An
 * item that the provider has refused its quota for too long ends as failed instead.
 * @throws always: what tells BullMQ to delay the job, or that the job has failed
 */
export async function snooze(
  dependencies: Dependencies,
  attempt: Attempt,
  { wait, refusal, isBehind }: QuotaWaitError,
): Promise<never> {
  const { db, storage, policy, viaProxy } = dependencies
  const { item, notes, signal, log } = attempt
  const isCapped = item.refusedMs > policy.refusedCapMs && item.refusals >= MIN_REFUSALS
  if (refusal !== null && wait.refused && isCapped)
    return failItem(dependencies, attempt, failureOf(refusal, attempt.asked, viaProxy))
  const record = () => snoozeItem(db, item, wait)
  // A refusal has cost a request: the snooze is kept until it is stored, so that the request is not sent again in vain.
  await (refusal === null ? record() : keepUntilStored(storage, record, { signal, log }))
  // With an open gate this worker would take all other jobs one by one, each with a question to the ledger.
  policy.closeGate(wait)
  if (refusal !== null)
    log[wait.for === 'key' ? 'error' : 'warn'](
      { class: refusal.class, advice: refusal.row.advice, waitMs: wait.ms },
      wait.reason,
    )
  notes.add(`waits ${Math.ceil(wait.ms / 1000)} s: ${wait.reason} No attempt is spent.`)
  if (!isBehind) throw new RateLimitError()
  await attempt.job.changePriority({ priority: priorityBehind(attempt.job.priority) })
  return delayJob(attempt, wait.ms + BEHIND_MS)
}

/** How long an item is snoozed while another item of its symbol is fetched, whose answer will very likely do for both. */
const BESIDE_MS = 2_000

/**
 * Snoozes an item whose symbol another run is fetching.
 * @throws always: DelayedError, or ClaimLostError
 */
export async function snoozeBehindOther({ db }: Pick<Dependencies, 'db'>, attempt: Attempt): Promise<never> {
  const reason = 'Another run fetches this symbol at the moment.'
  await snoozeItem(db, attempt.item, { for: null, reason, ms: BESIDE_MS, refused: false })
  return delayJob(attempt, BESIDE_MS)
}
