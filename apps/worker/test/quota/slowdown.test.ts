import { AlphaVantageError } from '@stockpile/alphavantage/refusal'
import { expect, test } from 'vitest'
import { Slowdown } from '../../src/quota/slowdown.js'

const again = new AlphaVantageError('throttled', 'again', {
  disposition: { action: 'snooze', waitMs: 3_600_000 },
})
const first = new AlphaVantageError('throttled', 'first', {
  disposition: { action: 'snooze', waitMs: 60_000, again },
})

test('a long wait is believed only when it is asked for again after the first one, and nothing else was answered', () => {
  const slowdown = new Slowdown()
  const now = performance.now()
  expect(slowdown.judge(first, now)).toBe(first)
  // In flight beside it.
  expect(slowdown.judge(first, now)).toBe(first)
  expect(slowdown.judge(first, now + 61_000)).toBe(again)
  // After the hour it is believed again.
  expect(slowdown.judge(first, now + 61_000)).toBe(first)
  expect(slowdown.judge(first, performance.now() + 3_601_000)).toBe(again)
  slowdown.answered()
  expect(slowdown.judge(first, now + 9_000_000)).toBe(first)
})

test('one that is asked for hours after another is the first again, also when nothing was answered between them', () => {
  const slowdown = new Slowdown()
  const now = performance.now()
  expect(slowdown.judge(first, now)).toBe(first)
  expect(slowdown.judge(first, now + 2 * 3_600_000)).toBe(first)
})

test('a refusal that asks for no long wait is left as it is', () => {
  const other = new AlphaVantageError('burst_limit', 'burst')
  expect(new Slowdown().judge(other, 0)).toBe(other)
})
