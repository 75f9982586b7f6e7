import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoffMs, MAX_ATTEMPTS } from '../src/retry-policy.js'

describe('the retry policy', () => {
  test('keeps to the schedule that its documentation states', () => {
    const range = (attempt: number) => [backoffMs(attempt, () => 0), backoffMs(attempt, () => 1)]
    expect([1, 2, 3, 4].map(range)).toEqual([
      [2_500, 5_000],
      [10_000, 20_000],
      [40_000, 80_000],
      [160_000, 320_000],
    ])
  })

  test('never shortens with the attempts, and is bounded', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, random) => {
          const wait = backoffMs(attempt, () => random)
          expect(wait).toBeGreaterThanOrEqual(2_500)
          expect(wait).toBeLessThanOrEqual(320_000)
          expect(backoffMs(attempt + 1, () => random)).toBeGreaterThanOrEqual(wait)
        },
      ),
    )
    expect(MAX_ATTEMPTS).toBe(5)
  })
})
