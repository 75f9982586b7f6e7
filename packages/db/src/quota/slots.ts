import type { Limit } from '@stockpile/domain/limit'

/**
 * When the next request fits: now, or once every limit has room, a window and its margin after the limit's max-th newest
 * request. The SQL function `provider_limits` does the same arithmetic; slots.test.ts compares the two.
 * @param sent when the known requests were or will be sent, ascending; all instants are milliseconds of one clock
 */
export function nextSlot(sent: readonly number[], limits: readonly Limit[], now: number): number {
  let slot = now
  for (const { max, windowMs, marginMs } of limits) {
    const leaving = max > 0 ? sent.at(-max) : undefined
    if (leaving !== undefined) slot = Math.max(slot, leaving + windowMs + marginMs)
  }
  return slot
}

/** What `forecast` goes by. All instants are milliseconds of one clock. */
export interface ForecastInput {
  now: number
  /** In any order. */
  sent: readonly number[]
  limits: readonly Limit[]
  /** Nothing is sent before this instant; null when nothing is blocked. */
  blockedUntil: number | null
  requests: number
}

/** The slots of the next `requests` requests, the first at index 0, if each takes the first slot that fits. */
export function forecast({ now, sent, limits, blockedUntil, requests }: ForecastInput): number[] {
  const known = sent.toSorted((one, other) => one - other)
  const from = Math.max(now, blockedUntil ?? now)
  return Array.from({ length: requests }, () => {
    const slot = nextSlot(known, limits, from)
    // Nearly always the end of the list: only a slot that was reserved ahead can be later.
    known.splice(known.findLastIndex((instant) => instant <= slot) + 1, 0, slot)
    return slot
  })
}
