import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits between two rounds of work that goes on until somebody ends it: `while (await tick(1_000, signal)) …`.
 * @param ms milliseconds
 * @returns false as soon as `signal` has aborted, true after `ms`
 */
export async function tick(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  return sleep(ms, true, { signal }).catch(() => false)
}

/** What `within` gives for work that is not done in time. */
export const LATE: unique symbol = Symbol('late')

/**
 * Waits for work, but not longer than `deadlineMs` milliseconds. Late work goes on; a rejection that comes too late is
 * dropped.
 * @returns what the work gave, or `LATE`
 * @throws what the work threw in time
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
