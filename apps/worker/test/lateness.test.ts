import { limitsFor } from '@stockpile/db/limits'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Lateness } from '../src/lateness.js'

const limits = limitsFor({ perSecond: 20, perMinute: 1_200, perDay: 0 })
const TOLERANCE_MS = 45

/** Asks at once, hears after the way there and back and the server's wait for its lock, wakes so late after its slot. */
function wake(
  lateness: Lateness,
  { wayMs, lockMs, slotInMs, lateMs }: { wayMs: number; lockMs: number; slotInMs: number; lateMs: number },
): boolean {
  const asked = lateness.start()
  const slot = { slotMs: lockMs + slotInMs, waitMs: slotInMs }
  vi.advanceTimersByTime(wayMs + lockMs)
  asked.answered(slot)
  vi.advanceTimersByTime(slot.waitMs + lateMs)
  return asked.isInTime(slot.slotMs)
}

describe("a slot's owner", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('is in time when it wakes within half of the narrowest margin, however long the server waited or the way is', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(500), fc.nat(1_000), fc.nat(200), (wayMs, lockMs, slotInMs, lateMs) => {
        const lateness = new Lateness(limits)
        expect(wake(lateness, { wayMs, lockMs, slotInMs, lateMs })).toBe(lateMs <= TOLERANCE_MS)
      }),
    )
  })

  test('is late when its question or its answer was held up, though it slept no longer than it should', () => {
    const lateness = new Lateness(limits)
    const usual = { wayMs: 5, lockMs: 0, slotInMs: 0, lateMs: 0 }
    expect(wake(lateness, usual)).toBe(true)
    expect(wake(lateness, { ...usual, wayMs: 5 + TOLERANCE_MS + 1 })).toBe(false)
    expect(wake(lateness, { ...usual, wayMs: 5 + TOLERANCE_MS })).toBe(true)
  })

  test('comes to terms with a way that has become longer for good', () => {
    const lateness = new Lateness(limits)
    const longer = { wayMs: 300, lockMs: 0, slotInMs: 0, lateMs: 0 }
    wake(lateness, { ...longer, wayMs: 5 })
    const answers = Array.from({ length: 101 }, () => wake(lateness, longer))
    expect(answers[0]).toBe(false)
    expect(answers.at(-1)).toBe(true)
  })

  test('is never late where there is no limit', () => {
    const lateness = new Lateness(limitsFor({ perSecond: 0, perMinute: 0, perDay: 0 }))
    expect(wake(lateness, { wayMs: 5_000, lockMs: 0, slotInMs: 0, lateMs: 60_000 })).toBe(true)
  })
})
