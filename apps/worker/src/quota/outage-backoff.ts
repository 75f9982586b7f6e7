import type { Limit } from '@stockpile/domain/limit'
import type { Refusal } from '@stockpile/domain/refusal'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/waiting'
import { noteUnanswered } from '@stockpile/db/outage'
import type { UnansweredRequest } from '@stockpile/db/outage'
import type { Logger } from 'pino'

/** Of different symbols, in a row: fewer may be the symbols' own doing. Where nothing can be sent, one is proof. */
const NEEDED = 3

/**
 * How long probes wait: for the first, and at most; and of how long a span of an outage one failed probe is an attempt of
 * its item. Milliseconds.
 */
export type ProbeWaits = Pick<UnansweredRequest, 'firstMs' | 'longestMs' | 'attemptMs'>

/** What is probed may be all that is left, and be itself why nothing answers: it has to end. 60 symbols bear days of it. */
const ATTEMPT_MS = 3_600_000

/** Work goes on within 30 s of an outage's end: what is no longer named then is looked for every 25 s. */
const FREQUENT: ProbeWaits = { firstMs: 5_000, longestMs: 25_000, attemptMs: ATTEMPT_MS }
/**
 * Where each probe is one of a few requests a day: of 25 they take 9 in the first, 4 in each other; of more or fewer as many
 * times more or fewer.
 */
const SPARING = { perDay: 25, firstMs: 180_000, longestMs: 6 * 3_600_000 }

/** Whether a request got no answer of the provider itself. */
export function isUnanswered(refusal: Refusal): boolean {
  return refusal.scope === 'provider'
}

export function probeWaits(limits: readonly Limit[], sent: boolean): ProbeWaits {
  const perDay = limits.find(({ name }) => name === 'day')?.max ?? 0
  if (!sent || perDay === 0) return FREQUENT
  const share = SPARING.perDay / perDay
  return {
    firstMs: Math.max(FREQUENT.firstMs, share * SPARING.firstMs),
    longestMs: Math.min(SPARING.longestMs, Math.max(FREQUENT.longestMs, share * SPARING.longestMs)),
    attemptMs: ATTEMPT_MS,
  }
}

/** What happened, for what it means for all symbols. */
export function withoutSymbol(error: Refusal, symbol: string): string {
  return error.message.replace(`${symbol}: `, '')
}

/** How a wait for the provider reads. */
export function outageReason(detail: string): string {
  return `The provider does not answer: ${detail}`
}

/**
 * Notes a request that was not answered, and says once, for all workers, when that is an outage.
 * @param dependencies.waits in place of the plan's, for tests, which compress time
 * @returns the wait of its item, which costs no attempt, while there is an outage; null when the failure is the item's
 */
export async function noteFailure(
  {
    db,
    limits,
    waits,
    logger,
  }: {
    db: Connection['db']
    limits: readonly Limit[]
    waits: ProbeWaits | undefined
    logger: Logger
  },
  request: { id: number; symbol: string },
  error: Refusal,
): Promise<Wait | null> {
  const detail = withoutSymbol(error, request.symbol)
  const outage = await noteUnanswered(db, {
    ...request,
    class: error.class,
    detail,
    needed: error.sent ? NEEDED : 1,
    ...(waits ?? probeWaits(limits, error.sent)),
  })
  // What could not be sent is no symbol's doing, however long it lasts.
  if (!outage.isOpen || (outage.isAttempt && error.sent)) return null
  const reason = outageReason(detail)
  if (outage.isNew)
    logger.warn(
      { class: error.class, probeInMs: outage.waitMs },
      `${reason} All workers wait; one request at a time finds out when it answers again.`,
    )
  return { for: 'provider', reason, ms: outage.waitMs, refused: false }
}
