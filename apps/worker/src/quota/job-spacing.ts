import type { Limit } from '@stockpile/domain/limit'

/** How much faster than the limit: what is smoothed must not be slowed down. */
const HASTE = 0.9

/**
 * How far apart jobs start, so that a minute's requests do not come in one burst. Only a smoother: that no limit is
 * exceeded is the ledger's to see to. The day is not smoothed: a person's first 25 symbols should not take one.
 * @returns milliseconds; 0 when there is neither a second nor a minute limit
 */
export function gapMs(limits: readonly Limit[]): number {
  const gaps = limits
    .filter(({ name, max }) => name !== 'day' && max > 0)
    .map(({ max, windowMs, marginMs }) => ((windowMs + marginMs) / max) * HASTE)
  return Math.floor(Math.max(0, ...gaps))
}
