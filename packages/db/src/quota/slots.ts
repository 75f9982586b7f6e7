import type { Limit } from '@stockpile/domain/limit'

/**
 * When the next request fits: now, or when every limit has room again, a window and its margin after its max-th
 * newest request. `provider_limits` in the migration is the same in SQL; a test holds them together.
 * @param sent when the requests known were or will be sent, ascending. All instants are milliseconds of one clock.
 */
export function nextSlot(sent: readonly number[], limits: readonly Limit[], now: number): number {
  let slot = now
  for (const { max, windowMs, marginMs } of limits) {
    const leaving = max > 0 ? sent.at(-max) : undefined
    if (leaving !== undefined) slot = Math.max(slot, leaving + windowMs + marginMs)
  }
  return slot
}

export interface ForecastInput {
  now: number
  /** In any order. */
  sent: readonly number[]
  limits: readonly Limit[]
  /** Nothing is sent before. */
  blockedUntil: number | null
  requests: number
}

/** The slots of so many further requests, the first at index 0, when each takes the first that fits. */
export function forecast({ now, sent, limits, blockedUntil, requests }: ForecastInput): number[] {
  const book = sent.toSorted((one, other) => one - other)
  const from = Math.max(now, blockedUntil ?? now)
  return Array.from({ length: requests }, () => {
    const slot = nextSlot(book, limits, from)
    // Nearly always at the end: only what was reserved ahead can be later.
    book.splice(book.findLastIndex((instant) => instant <= slot) + 1, 0, slot)
    return slot
  })
}
