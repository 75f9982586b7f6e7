import { limitsFor } from '@stockpile/db/limits'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SlotLateness } from '../../src/quota/slot-lateness.js'

const limits = limitsFor({ perSecond: 20, perMinute: 1_200, perDay: 0 })
const TOLERANCE_MS = 45

/** How late a slot is judged that was answered after the way there and back and the server's lock, and woken for `lateMs` late. */
function wake(
  lateness: SlotLateness,
  { wayMs, lockMs, slotInMs, lateMs }: { wayMs: number; lockMs: number; slotInMs: number; lateMs: number },
): number {
  const timing = lateness.start()
  const slot = { slotMs: lockMs + slotInMs, waitMs: slotInMs }
  vi.advanceTimersByTime(wayMs + lockMs)
  timing.answered(slot)
  vi.advanceTimersByTime(slot.waitMs + lateMs)
  return timing.lateMs()
}

describe("a slot's owner", () => {
  const usual = { wayMs: 5, lockMs: 0, slotInMs: 0, lateMs: 0 }
  /** The judge of a process that has asked often enough to know how long the way takes. */
  const experienced = (wayMs: number) => {
    const lateness = new SlotLateness(limits)
    for (let time = 0; time < 10; time += 1) wake(lateness, { ...usual, wayMs })
    return lateness
  }
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('is in time when it wakes within half of the narrowest margin, however long the server waited or the way is', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(500), fc.nat(1_000), fc.nat(200), (wayMs, lockMs, slotInMs, lateMs) => {
        const late = wake(experienced(wayMs), { wayMs, lockMs, slotInMs, lateMs })
        expect(late).toBeCloseTo(lateMs <= TOLERANCE_MS ? 0 : lateMs)
      }),
    )
  })

  test('is late when its question or its answer was held up, though it slept no longer than it should', () => {
    const lateness = experienced(5)
    expect(wake(lateness, { ...usual, wayMs: 5 + TOLERANCE_MS })).toBe(0)
    expect(wake(lateness, { ...usual, wayMs: 6 + TOLERANCE_MS })).toBeCloseTo(TOLERANCE_MS + 1)
  })

  test('does not take its own first answers, which a starting process hears late, for the way', () => {
    expect(wake(new SlotLateness(limits), { ...usual, wayMs: 500 })).toBe(500)
  })

  test('comes to terms with a way that has become longer for good, but not with being slow itself', () => {
    const lateness = experienced(5)
    const answers = Array.from({ length: 101 }, () => wake(lateness, { ...usual, wayMs: 200 }))
    expect(answers[0]).toBeGreaterThan(0)
    expect(answers.at(-1)).toBe(0)
    expect(wake(experienced(1_000), { ...usual, wayMs: 1_000 })).toBe(750)
  })

  test('is never late where there is no limit', () => {
    const lateness = new SlotLateness(limitsFor({ perSecond: 0, perMinute: 0, perDay: 0 }))
    expect(wake(lateness, { wayMs: 5_000, lockMs: 0, slotInMs: 0, lateMs: 60_000 })).toBe(0)
  })
})
