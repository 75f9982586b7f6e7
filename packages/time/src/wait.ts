import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits between two rounds of work that goes on until `signal` aborts: `while (await tick(1_000, signal)) …`.
 * @param ms milliseconds
 * @returns true after `ms`, or false as soon as `signal` aborts
 */
export async function tick(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return sleep(ms, true, { signal }).catch(() => false)
}

/** The result of `within` for work that is not done in time. */
export const LATE: unique symbol = Symbol('late')

/**
 * Waits for work, but not longer than `deadlineMs`. Late work is not stopped; a rejection that comes after the deadline is
 * dropped.
 * @returns the result of the work, or `LATE`
 * @throws the error of work that fails in time
 */
export async function within<T>(work: Promise<T>, deadlineMs: number): Promise<T | typeof LATE> {
  const timer = new AbortController()
  const deadline = tick(deadlineMs, timer.signal).then((): typeof LATE => LATE)
  work.catch(() => {})
  try {
    return await Promise.race([work, deadline])
  } finally {
    timer.abort()
  }
}
