import type { Limit } from '@stockpile/domain/limit'

/** Jobs start at gaps of this share of the limit's, so that smoothing never slows the work down. */
const HASTE = 0.9

/**
 * Computes how far apart jobs start, so that a minute's requests do not leave in one burst. The ledger keeps the limits; the
 * gap only smooths. The limit of a day is not smoothed, since a person's first 25 symbols should not take a day.
 * @returns milliseconds; 0 when there is neither a second nor a minute limit
 */
export function gapMs(limits: readonly Limit[]): number {
  const gaps = limits
    .filter(({ name, max }) => name !== 'day' && max > 0)
    .map(({ max, windowMs, marginMs }) => ((windowMs + marginMs) / max) * HASTE)
  return Math.floor(Math.max(0, ...gaps))
}
