import type { PlanLimits } from '@stockpile/domain/limit'

/** The lengths of the windows in milliseconds; tests compress a day. */
export interface Windows {
  secondMs: number
  minuteMs: number
  dayMs: number
}

export const REAL_WINDOWS: Windows = { secondMs: 1_000, minuteMs: 60_000, dayMs: 86_400_000 }

export type LimitName = 'burst_limit' | 'minute_limit' | 'daily_limit'

/**
 * Keeps limits by sliding windows over all requests, whatever their key, since the provider counts by address too. At most N
 * requests are admitted in any half-open window [t, t + length). A refused request is not counted; whether the provider counts
 * refused requests is not known. Where several limits are spent the longest is named, since it is the last to free.
 * @returns a function of the time of an arrival (ms, never going back), which names the limit that refuses the request, or
 *   counts the request and returns undefined
 */
export function slidingWindows(limits: PlanLimits, windows: Windows): (at: number) => LimitName | undefined {
  const checks = (
    [
      { name: 'daily_limit', max: limits.perDay, lengthMs: windows.dayMs },
      { name: 'minute_limit', max: limits.perMinute, lengthMs: windows.minuteMs },
      { name: 'burst_limit', max: limits.perSecond, lengthMs: windows.secondMs },
    ] as const
  ).filter((check) => check.max > 0)
  if (checks.length === 0) return () => undefined
  const greatest = Math.max(...checks.map((check) => check.max))
  let admitted: number[] = []

  return (at) => {
    for (const { name, max, lengthMs } of checks) {
      const oldest = admitted[admitted.length - max]
      if (oldest !== undefined && at - oldest < lengthMs) return name
    }
    admitted.push(at)
    if (admitted.length > 2 * greatest + 1_000) admitted = admitted.slice(-greatest)
    return undefined
  }
}
