import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCalendarDate } from '../../src/http/dates.js'

test('a date is exactly what the calendar has, whatever digits are written', () => {
  fc.assert(
    fc.property(digits(4, 9_999), digits(2, 14), digits(2, 33), (year, month, day) => {
      const leap = Number(year) % 4 === 0 && (Number(year) % 100 !== 0 || Number(year) % 400 === 0)
      const lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
      const real = Number(year) > 0 && Number(day) > 0 && Number(day) <= (lengths[Number(month) - 1] ?? 0)
      expect(isCalendarDate(`${year}-${month}-${day}`)).toBe(real)
    }),
    { numRuns: 2_000 },
  )
})

function digits(length: number, max: number): fc.Arbitrary<string> {
  return fc.integer({ min: 0, max }).map((value) => String(value).padStart(length, '0'))
}
