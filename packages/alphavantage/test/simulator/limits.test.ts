import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { REAL_WINDOWS, slidingWindows } from '../../src/simulator/limits.js'

const NONE = { perSecond: 0, perMinute: 0, perDay: 0 }

describe('the sliding windows', () => {
  it('agree with counting all admitted requests anew at every arrival', () => {
    fc.assert(
      fc.property(
        fc.record({ perSecond: fc.nat(3), perMinute: fc.nat(6), perDay: fc.nat(12) }),
        fc.array(fc.nat(40), { maxLength: 300 }),
        (limits, gaps) => {
          const windows = { secondMs: 10, minuteMs: 60, dayMs: 300 }
          const ask = slidingWindows(limits, windows)
          const admitted: number[] = []
          const full = (at: number, max: number, lengthMs: number) =>
            max > 0 && admitted.filter((time) => time > at - lengthMs).length >= max
          let at = 0
          for (const gap of gaps) {
            at += gap
            const expected = full(at, limits.perDay, windows.dayMs)
              ? 'daily_limit'
              : full(at, limits.perMinute, windows.minuteMs)
                ? 'minute_limit'
                : full(at, limits.perSecond, windows.secondMs)
                  ? 'burst_limit'
                  : undefined
            expect(ask(at)).toBe(expected)
            if (expected === undefined) admitted.push(at)
          }
        },
      ),
    )
  })

  it('admit exactly the limit in a window and the next request when the first has left it', () => {
    const ask = slidingWindows({ ...NONE, perMinute: 75 }, REAL_WINDOWS)
    const answers = Array.from({ length: 76 }, (_, index) => ask(index))
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(75)
    expect(answers.at(-1)).toBe('minute_limit')
    expect(ask(59_999)).toBe('minute_limit')
    expect(ask(60_000)).toBeUndefined()
    expect(ask(60_000)).toBe('minute_limit')
  })

  it('do not count what they refused', () => {
    const ask = slidingWindows({ ...NONE, perSecond: 1 }, REAL_WINDOWS)
    expect([ask(0), ask(500), ask(999), ask(1_000)]).toEqual([
      undefined,
      'burst_limit',
      'burst_limit',
      undefined,
    ])
  })

  it('still know the whole window after many requests', () => {
    const ask = slidingWindows({ ...NONE, perDay: 5 }, REAL_WINDOWS)
    for (let at = 0; at < 3_000; at += 1) expect(ask(at * REAL_WINDOWS.dayMs)).toBeUndefined()
    const last = 2_999 * REAL_WINDOWS.dayMs
    expect([1, 2, 3, 4, 5].map((ms) => ask(last + ms))).toEqual([
      ...Array.from({ length: 4 }, () => undefined),
      'daily_limit',
    ])
  })

  it('refuse nothing when there are no limits', () => {
    const ask = slidingWindows(NONE, REAL_WINDOWS)
    expect(Array.from({ length: 10_000 }, () => ask(0)).every((answer) => answer === undefined)).toBe(true)
  })
})
