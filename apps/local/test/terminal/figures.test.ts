import { expect, test } from 'vitest'
import { duration } from '../../src/terminal/figures.js'

test.each([
  [0, '0 s'],
  [3_001, '4 s'],
  [60_000, '1 min 0 s'],
  [3_600_000 * 3 + 60_000 * 20, '3 h 20 min'],
  [3_600_000 * 52, '2 days 4 h'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})
