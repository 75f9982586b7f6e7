/** How many attempts an item has in all. A class of refusal may allow fewer attempts, and none allows more. */
export const MAX_ATTEMPTS = 5

const FIRST_MS = 5_000
const FACTOR = 4

/**
 * Returns the backoff after a failed attempt: 2.5–5 s, 10–20 s, 40–80 s, 160–320 s. The five attempts span 3.5 to 7 minutes,
 * so that an item survives a short outage of the provider, and fails in a long one. Half of each backoff is random, so that
 * 500 symbols that failed together do not try again together.
 * @param attempt the number of the failed attempt, from 1
 * @param random returns a number in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const longest = FIRST_MS * FACTOR ** (Math.min(attempt, MAX_ATTEMPTS - 1) - 1)
  return Math.round(longest / 2 + (random() * longest) / 2)
}
