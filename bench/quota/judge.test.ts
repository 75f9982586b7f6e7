import fc from 'fast-check'
import { expect, test } from 'vitest'
import { greatestInWindow, utilization } from './judge.js'

/** Whole numbers that lie close together, so that windows often begin or end exactly at an arrival, where a judge errs. */
const arrivals = fc
  .array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 })
  .map((times) => times.toSorted((a, b) => a - b))

test('the greatest number in a sliding window is that of looking at every window', () => {
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 1, max: 80 }), (times, windowMs) => {
      const starts = Array.from({ length: 142 }, (_, index) => index - 81)
      const counts = starts.map(
        (start) => times.filter((time) => start <= time && time < start + windowMs).length,
      )
      expect(greatestInWindow(times, windowMs)).toBe(Math.max(...counts))
    }),
  )
})

test('whoever keeps the limits uses at most all that they allow', () => {
  fc.assert(
    fc.property(
      arrivals,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 3 }),
      (times, windowMs, more) => {
        const limits = [windowMs, windowMs * more].map((length) => ({
          windowMs: length,
          max: Math.max(1, greatestInWindow(times, length)),
        }))
        fc.pre(times[0] !== undefined && times[0] + windowMs * more <= 70)
        expect(utilization(times, limits, 70)).toBeLessThanOrEqual(1)
      },
    ),
  )
})

test('what was sent is set against the smaller allowance, over whole windows', () => {
  const limits = [
    { max: 4, windowMs: 10 },
    { max: 1, windowMs: 2 },
  ]
  // 26 ms from the first arrival have two whole windows of 10 ms: the first limit allows 8 requests, the second 10.
  expect(utilization([4, 6, 14, 16, 23, 24, 29], limits, 30)).toBe(5 / 8)
  expect(utilization([], limits, 30)).toBe(0)
})
