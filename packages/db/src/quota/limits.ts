import { LIMIT_NAMES } from '@stockpile/domain/limit'
import type { Limit, LimitName, PlanLimits } from '@stockpile/domain/limit'

export const WINDOWS_MS: Record<LimitName, number> = { second: 1_000, minute: 60_000, day: 86_400_000 }

/**
 * The three limits of a plan. A limit without a maximum keeps its window, since the provider may state a maximum later.
 * @param windowsMs windows other than the real ones, for tests and benchmarks that compress time
 */
export function limitsFor(
  { perSecond, perMinute, perDay }: PlanLimits,
  windowsMs: Record<LimitName, number> = WINDOWS_MS,
): Limit[] {
  const max = { second: perSecond, minute: perMinute, day: perDay }
  return LIMIT_NAMES.map((name) => ({
    name,
    max: max[name],
    windowMs: windowsMs[name],
    marginMs: marginMs(windowsMs[name], max[name]),
  }))
}

/**
 * How much longer than its window a limit is kept: 1/240 of the window (250 ms of a minute, 0.4 % of the requests), within
 * 90 ms to 1 s. Where a second allows one or two requests, connections grow cold between them, and a request is late by a
 * TLS handshake: then 0.4 of the window.
 */
export function marginMs(windowMs: number, max: number): number {
  const share = windowMs <= 1_000 && max <= 2 ? 0.4 : 1 / 240
  return Math.min(Math.max(windowMs * share, 90), 1_000)
}

/** The limits in words: "1 a second, 25 a day". */
export function limitsText(limits: readonly Limit[]): string {
  const said = limits.filter((limit) => limit.max > 0).map((limit) => `${limit.max} a ${limit.name}`)
  return said.length === 0 ? 'no limit' : said.join(', ')
}
