import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  isCalendarDate,
  isWeekend,
  newestDateOnEarth,
  newYorkTime,
  oldestDateOnEarth,
} from '../../src/exchanges/calendar.js'

describe('calendar dates', () => {
  it('are all days that a Date knows, from year 1 to 9999', () => {
    const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(day, (date) => {
        expect(isCalendarDate(date.toISOString().slice(0, 10))).toBe(true)
      }),
    )
  })

  it('are no other year, month and day', () => {
    const part = fc.integer({ min: 0, max: 99 })
    fc.assert(
      fc.property(fc.integer({ min: 1900, max: 9999 }), part, part, (year, month, day) => {
        const text = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
        const date = new Date(`${text}T00:00:00Z`)
        const real = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
        expect(isCalendarDate(text)).toBe(real)
      }),
    )
  })

  it.each(['', '2026-5-15', '2026-05-15 ', '0000-01-01', '10000-01-01', '2026/05/15', '２０26-05-1'])(
    'are not %j',
    (text) => expect(isCalendarDate(text)).toBe(false),
  )

  it('end first at UTC+14 and last at UTC-12', () => {
    const now = new Date('2026-05-17T11:00:00Z')
    expect(newestDateOnEarth(now)).toBe('2026-05-18')
    expect(oldestDateOnEarth(now)).toBe('2026-05-16')
  })

  it('are on a weekend every sixth and seventh day', () => {
    const day = fc.integer({ min: -40_000, max: 40_000 })
    fc.assert(
      fc.property(day, (days) => {
        const date = new Date(days * 86_400_000)
        expect(isWeekend(date.toISOString().slice(0, 10))).toBe([0, 6].includes(date.getUTCDay()))
      }),
    )
  })

  it.each([
    ['2026-07-03T19:59:59Z', '2026-07-03', 15],
    ['2026-07-03T20:00:00Z', '2026-07-03', 16],
    ['2026-11-27T20:59:59Z', '2026-11-27', 15],
    ['2026-11-27T21:00:00Z', '2026-11-27', 16],
    ['2026-11-28T04:59:59Z', '2026-11-27', 23],
    ['2026-11-28T05:00:00Z', '2026-11-28', 0],
  ])('are in New York at %s %s, hour %i', (now, date, hour) => {
    expect(newYorkTime(new Date(now))).toEqual({ date, hour })
  })
})
