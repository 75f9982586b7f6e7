import type { Limit } from '@stockpile/domain/limit'
import type { Refusal } from '@stockpile/domain/refusal'
import type { Connection } from '@stockpile/db/connection'
import type { Wait } from '@stockpile/domain/waiting'
import { noteUnanswered } from '@stockpile/db/outage'
import type { UnansweredRequest } from '@stockpile/db/outage'
import type { Logger } from 'pino'

/**
 * So many requests of different symbols in a row must stay unanswered before that is an outage, since fewer may be the fault
 * of the symbols. One request is proof when it could not even be sent.
 */
const NEEDED = 3

/**
 * How probes are spaced, in milliseconds: the wait before the first one, the longest wait, and the span of an outage in which
 * one failed probe counts as an attempt of its item.
 */
export type ProbeWaits = Pick<UnansweredRequest, 'firstMs' | 'longestMs' | 'attemptMs'>

/**
 * An attempt an hour ends items that are themselves the reason why nothing is answered, when nothing else is left to fetch.
 * 60 symbols bear an outage of days.
 */
const ATTEMPT_MS = 3_600_000

/** With a probe every 25 s work goes on within 30 s of an outage's end, and nobody names the outage any longer. */
const FREQUENT: ProbeWaits = { firstMs: 5_000, longestMs: 25_000, attemptMs: ATTEMPT_MS }
/**
 * The spacing for a plan of 25 requests a day: probes take 9 requests of the first day of an outage and 4 of each other day.
 * Other daily limits scale it.
 */
const SPARING = { perDay: 25, firstMs: 180_000, longestMs: 6 * 3_600_000 }

/** Whether the provider itself gave no answer to the request. */
export function isUnanswered(refusal: Refusal): boolean {
  return refusal.scope === 'provider'
}

/**
 * Computes how probes are spaced under these limits.
 * @param sent false when requests cannot even be sent, so that probes cost no quota
 */
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

/** Takes the symbol out of a refusal's message, for a sentence about all symbols. */
export function withoutSymbol(error: Refusal, symbol: string): string {
  return error.message.replace(`${symbol}: `, '')
}

/** Makes the sentence that a wait for the provider has as its reason. */
export function outageReason(detail: string): string {
  return `The provider does not answer: ${detail}`
}

/**
 * Records that a request was not answered, and logs the beginning of an outage once for all workers.
 * @param dependencies.waits replaces the plan's spacing in tests, which compress time
 * @returns during an outage the wait of the item, which costs no attempt; null when the failure is an attempt of the item
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
  // A request that could not be sent says nothing about its symbol, however long that lasts.
  if (!outage.isOpen || (outage.isAttempt && error.sent)) return null
  const reason = outageReason(detail)
  if (outage.isNew)
    logger.warn(
      { class: error.class, probeInMs: outage.waitMs },
      `${reason} All workers wait; one request at a time finds out when it answers again.`,
    )
  return { for: 'provider', reason, ms: outage.waitMs, refused: false }
}
