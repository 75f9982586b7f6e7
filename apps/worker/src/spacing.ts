import type { Limits } from '@stockpile/alphavantage/plan'

/** Requests do not arrive exactly as far apart as they start: a tenth more on a second, a hundredth on a minute. */
const SECOND_MARGIN = 1.1
const MINUTE_MARGIN = 1.01

/**
 * How far apart requests must start so that neither the second nor the minute limit is reached. The day's
 * limit is not a matter of spacing: a person's first 25 symbols should not take a day.
 * @returns milliseconds; 0 when there is neither limit
 */
export function gapMs(limits: Limits): number {
  const bySecond = limits.perSecond > 0 ? (1_000 / limits.perSecond) * SECOND_MARGIN : 0
  const byMinute = limits.perMinute > 0 ? (60_000 / limits.perMinute) * MINUTE_MARGIN : 0
  return Math.ceil(Math.max(bySecond, byMinute))
}
