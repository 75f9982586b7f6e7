/** Attempts that an item has in all. A class of failure may have fewer, none has more. */
export const MAX_ATTEMPTS = 5

const FIRST_MS = 5_000
const FACTOR = 4

/**
 * How long to wait after the given failed attempt: 2.5–5 s, 10–20 s, 40–80 s, 160–320 s. All five attempts
 * span 3.5 to 7 minutes: a short outage of the provider passes unnoticed, a long one does not hold the item
 * for ever. Half of each wait is random, so that 500 symbols that failed together do not return together.
 *
 * @param attempt from 1
 * @param random in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const longest = FIRST_MS * FACTOR ** (Math.min(attempt, MAX_ATTEMPTS - 1) - 1)
  return Math.round(longest / 2 + (random() * longest) / 2)
}
