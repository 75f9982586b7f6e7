/** A limit of the provider: at most `max` requests in any half-open window [t, t + windowMs). */
export interface JudgedLimit {
  max: number
  windowMs: number
}

/**
 * Returns the greatest number of arrivals in any half-open window [t, t + windowMs). The fullest window can be moved later
 * until it begins with an arrival, so only windows that do are counted.
 * @param times milliseconds, ascending
 */
export function greatestInWindow(times: readonly number[], windowMs: number): number {
  let greatest = 0
  let first = 0
  for (const [index, time] of times.entries()) {
    while (time - (times[first] ?? time) >= windowMs) first += 1
    greatest = Math.max(greatest, index - first + 1)
  }
  return greatest
}

/**
 * Returns requests sent ÷ requests allowed. A limit allows the time from the first arrival × max ÷ window; of several limits
 * the smallest counts. The time ends with the last whole window of the longest limit, since a burst in a window that is cut
 * short would flatter. A sender that keeps the limits has 1 at most.
 * @param times milliseconds, ascending
 */
export function utilization(times: readonly number[], limits: readonly JudgedLimit[], endMs: number): number {
  const startMs = times[0]
  if (startMs === undefined) return 0
  const longestMs = Math.max(...limits.map((limit) => limit.windowMs))
  const countedMs = Math.floor((endMs - startMs) / longestMs) * longestMs
  const allowed = Math.min(...limits.map(({ max, windowMs }) => (countedMs * max) / windowMs))
  const sent = times.filter((time) => time < startMs + countedMs).length
  return sent / allowed
}
