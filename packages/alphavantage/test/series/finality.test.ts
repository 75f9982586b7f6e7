import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { oldestDateOnEarth } from '../../src/exchanges/calendar.js'
import { parseDailyJson } from '../../src/series/daily-series.js'
import { dailyBody, META_DATA, record } from './bodies.js'

interface Asked {
  dates: string[]
  lastRefreshed?: unknown
  now: string
  symbol?: string
}

/** Lists the dates of the bars that are final, and of those that are provisional, oldest first. */
function ask({ dates, lastRefreshed = '2026-05-15', now, symbol = 'IBM' }: Asked) {
  const metaData = { ...META_DATA, '2. Symbol': symbol, '3. Last Refreshed': lastRefreshed }
  const records = Object.fromEntries(dates.map((date) => [date, record()]))
  const series = parseDailyJson(dailyBody(records, metaData), symbol, new Date(now))
  const datesOf = (rows: readonly { date: string }[]) => rows.map((row) => row.date)
  expect(series.rejected).toEqual([])
  return { final: datesOf(series.rows), provisional: datesOf(series.provisional) }
}

const TWO_DAYS = ['2026-05-15', '2026-05-14']
/** 2026-05-15 is a Friday, on which New York is at UTC-4. */
const AFTER_CLOSE = '2026-05-15T20:00:00Z'
const BEFORE_CLOSE = '2026-05-15T19:59:59Z'

describe('a bar is final', () => {
  it('when the refresh carries its date and no time, once its session can be over in New York', () => {
    expect(ask({ dates: TWO_DAYS, now: BEFORE_CLOSE })).toEqual({
      final: ['2026-05-14'],
      provisional: ['2026-05-15'],
    })
    expect(ask({ dates: TWO_DAYS, now: AFTER_CLOSE })).toEqual({
      final: ['2026-05-14', '2026-05-15'],
      provisional: [],
    })
  })

  it('elsewhere once the first market of that day can have closed, in Tokyo', () => {
    const asked = { dates: TWO_DAYS, symbol: '600104.SHH' }
    expect(ask({ ...asked, now: '2026-05-15T05:59:59Z' }).provisional).toEqual(['2026-05-15'])
    expect(ask({ ...asked, now: '2026-05-15T06:00:00Z' }).provisional).toEqual([])
  })

  it.each(['2026-05-15 11:30:00', '2026-05-15T11:30:00', '2026-05-15 9:30', '2026-05-15 16:00:01'])(
    'not as long as the refresh carries its date and a time (%s) and the day is not over everywhere',
    (lastRefreshed) => {
      const asked = { dates: TWO_DAYS, lastRefreshed }
      expect(ask({ ...asked, now: '2026-05-16T11:59:59Z' }).provisional).toEqual(['2026-05-15'])
      expect(ask({ ...asked, now: '2026-05-16T12:00:00Z' }).provisional).toEqual([])
    },
  )

  it.each([null, 'yesterday', 7])('without a refresh (%j) once its day is over everywhere', (refreshed) => {
    const asked = { dates: TWO_DAYS, lastRefreshed: refreshed }
    expect(ask({ ...asked, now: '2026-05-16T11:59:59Z' }).provisional).toEqual(['2026-05-15'])
    expect(ask({ ...asked, now: '2026-05-16T12:00:00Z' }).provisional).toEqual([])
  })

  it('not when it is newer than the refresh, as long as its day is not over everywhere', () => {
    const asked = { dates: TWO_DAYS, lastRefreshed: '2026-05-14' }
    expect(ask({ ...asked, now: AFTER_CLOSE }).provisional).toEqual(['2026-05-15'])
    expect(ask({ ...asked, now: '2026-05-16T12:00:00Z' }).provisional).toEqual([])
  })

  it.each(['2026-11-13', '1970-01-01', '2026-11-13 11:00:00'])(
    'when its day is over everywhere, however old the refresh is: %s',
    (lastRefreshed) => {
      const dates = ['2026-11-25', '2026-11-24', '2026-11-23', '2026-11-16', '2026-11-13', '2026-11-12']
      const { final } = ask({ dates, lastRefreshed, now: '2026-11-27T13:56:00Z' })
      expect(final).toEqual(dates.toReversed())
    },
  )

  it('not before its day, though the refresh is of then', () => {
    // The instant is a Friday, 08:56 in New York; the 30th is a Monday.
    const asked = { lastRefreshed: '2026-11-28', now: '2026-11-27T13:56:00Z' }
    expect(ask({ ...asked, dates: ['2026-11-27', '2026-11-25'] })).toEqual({
      final: ['2026-11-25'],
      provisional: ['2026-11-27'],
    })
    expect(ask({ ...asked, dates: ['2026-11-28', '2026-11-25'], symbol: 'TSCO.LON' })).toEqual({
      final: ['2026-11-25'],
      provisional: ['2026-11-28'],
    })
  })

  it('whatever the refresh says, if its day is over everywhere, and never before its session can be over', () => {
    const weekday = fc
      .date({ min: new Date('2025-01-01'), max: new Date('2026-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10))
      .filter((date) => new Date(date).getUTCDay() % 6 !== 0)
    const hours = fc.integer({ min: -13, max: 60 })
    const refresh = fc.oneof(
      fc.constantFrom(null, '1970-01-01', '9999-12-31', 'soon'),
      weekday,
      weekday.map((date) => `${date} 12:00:00`),
    )
    fc.assert(
      fc.property(weekday, hours, refresh, (date, hour, lastRefreshed) => {
        const now = new Date(Date.parse(date) + hour * 3_600_000)
        const { final } = ask({ dates: [date], lastRefreshed, now: now.toISOString() })
        const mustBe = date < oldestDateOnEarth(now)
        // 16:00 in New York is 20:00 UTC in summer and 21:00 UTC in winter.
        const canBe = hour >= 20
        expect(final.length).toBeGreaterThanOrEqual(Number(mustBe))
        expect(final.length).toBeLessThanOrEqual(Number(canBe))
      }),
    )
  })
})
