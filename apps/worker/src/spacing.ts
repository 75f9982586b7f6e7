import type { Limits } from '@stockpile/alphavantage/plan'

/** Requests may arrive this much closer than they started: the first of them waits for a connection, the others not. */
const MARGIN_MS = 400

/**
 * How far apart requests must start so that neither the second nor the minute limit is reached. The day's
 * limit is not a matter of spacing: a person's first 25 symbols should not take a day.
 * @returns milliseconds; 0 when there is neither limit
 */
export function gapMs(limits: Limits): number {
  const bySecond = limits.perSecond > 0 ? (1_000 + MARGIN_MS) / limits.perSecond : 0
  const byMinute = limits.perMinute > 0 ? (60_000 + MARGIN_MS) / limits.perMinute : 0
  return Math.ceil(Math.max(bySecond, byMinute))
}
