import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  countTradingDays,
  holidaysOf,
  lastCompletedSession,
  tradingDaysThrough,
} from '../../src/simulator/series/sessions.js'
import { splitOf, syntheticRows, syntheticSeries } from '../../src/simulator/series/series.js'

const symbols = fc.stringMatching(/^[A-Z]{1,5}([.-][A-Z])?$/)
const days = tradingDaysThrough(2026)
const tradingDay = fc.nat(countTradingDays('2026-12-31') - 1).map((index) => days[index] ?? '')

describe('the trading calendar', () => {
  it('closes on the holidays that the NYSE published for 2026 and 2027', () => {
    expect([...holidaysOf(2026)]).toEqual([
      '2026-01-01',
      '2026-01-19',
      '2026-02-16',
      '2026-04-03',
      '2026-05-25',
      '2026-06-19',
      '2026-07-03',
      '2026-09-07',
      '2026-11-26',
      '2026-12-25',
    ])
    expect([...holidaysOf(2027)]).toEqual([
      '2027-01-01',
      '2027-01-18',
      '2027-02-15',
      '2027-03-26',
      '2027-05-31',
      '2027-06-18',
      '2027-07-05',
      '2027-09-06',
      '2027-11-25',
      '2027-12-24',
    ])
  })

  it('trades on the last Friday of a year whose next begins on a Saturday, and on June 19th before 2022', () => {
    expect(days).toContain('2021-12-31')
    expect(days).toContain('2020-06-19')
    expect(days).not.toContain('2023-01-02')
  })

  it.each([
    ['on a Friday before the close in summer', '2026-05-15T19:59:59Z', '2026-05-14'],
    ['on a Friday after the close in summer', '2026-05-15T20:00:00Z', '2026-05-15'],
    ['on a Friday before the close in winter', '2026-01-16T20:59:59Z', '2026-01-15'],
    ['on a Friday after the close in winter', '2026-01-16T21:00:00Z', '2026-01-16'],
    ['on a Sunday', '2026-05-17T12:00:00Z', '2026-05-15'],
    ['on a holiday after 16:00', '2026-05-25T23:00:00Z', '2026-05-22'],
    ['when it is a day later in UTC than in New York', '2026-05-16T02:00:00Z', '2026-05-15'],
    ['on New Year morning', '2026-01-01T10:00:00Z', '2025-12-31'],
    ['before the first session has closed', '1999-11-01T12:00:00Z', undefined],
  ])('names the newest completed session %s', (_when, now, session) => {
    expect(lastCompletedSession(new Date(now))).toBe(session)
  })
})

describe('a synthetic series', () => {
  it('has positive four-decimal prices within low..high, whole volumes and strictly descending trading days', () => {
    fc.assert(
      fc.property(symbols, (symbol) => {
        const rows = syntheticRows(symbol, '1999-11-01', '2026-05-15')
        expect(rows.map(([date]) => date).toReversed()).toEqual(days.slice(0, countTradingDays('2026-05-15')))
        const broken = rows.filter(([, ...values]) => {
          const [open = Number.NaN, high = Number.NaN, low = Number.NaN, close = Number.NaN] =
            values.map(Number)
          return !(
            values.slice(0, 4).every((value) => /^\d+\.\d{4}$/.test(value ?? '')) &&
            /^\d+$/.test(values[4] ?? '') &&
            low > 0 &&
            low <= Math.min(open, close) &&
            high >= Math.max(open, close)
          )
        })
        expect(broken).toEqual([])
      }),
      { numRuns: 25 },
    )
  })

  it('gives a date the same row whatever the range that was asked for', () => {
    fc.assert(
      fc.property(symbols, tradingDay, tradingDay, (symbol, one, other) => {
        const [first, last] = one < other ? [one, other] : [other, one]
        const whole = syntheticRows(symbol, '1999-11-01', '2026-12-31')
        expect(syntheticRows(symbol, first, last)).toEqual(
          whole.filter(([date]) => date >= first && date <= last),
        )
      }),
      { numRuns: 25 },
    )
  })

  it('is cut by years without a change to what remains', () => {
    const all = syntheticSeries('IBM', 'full', '2026-05-15', 25).rows
    const two = syntheticSeries('IBM', 'full', '2026-05-15', 2).rows
    expect(two).toEqual(all.slice(0, two.length))
    expect(two.at(-1)?.[0]).toBe('2024-05-15')
    expect(all.length).toBeGreaterThan(6_200)
  })

  it('has the newest 100 rows as compact, the same as those of full', () => {
    const compact = syntheticSeries('IBM', 'compact', '2026-05-15', 25).rows
    expect(compact).toHaveLength(100)
    expect(compact).toEqual(syntheticSeries('IBM', 'full', '2026-05-15', 25).rows.slice(0, 100))
  })

  it('has volumes above 2^31', () => {
    const volumes = syntheticRows('IBM', '1999-11-01', '2026-05-15').map((row) => Number(row[5]))
    expect(Math.max(...volumes)).toBeGreaterThan(2 ** 31)
  })

  it('jumps by the factor on the day of a split, in about one symbol of four', () => {
    const names = Array.from({ length: 400 }, (_, index) => `S${index}`)
    const splits = names.flatMap((symbol) => {
      const split = splitOf(symbol)
      return split === undefined ? [] : [{ symbol, ...split }]
    })
    expect(splits.length).toBeGreaterThan(60)
    expect(splits.length).toBeLessThan(140)
    for (const { symbol, date, factor } of splits.slice(0, 20)) {
      const [, day, before] = syntheticRows(
        symbol,
        days[days.indexOf(date) - 1] ?? '',
        days[days.indexOf(date) + 1] ?? '',
      )
      const jump = Number(before?.[4]) / Number(day?.[1])
      expect(jump / factor).toBeGreaterThan(0.95)
      expect(jump / factor).toBeLessThan(1.05)
    }
  })

  it('never changes from one version of the simulator to the next: stored synthetic data stay comparable', () => {
    expect(syntheticRows('XYZ', '2026-05-14', '2026-05-15')).toEqual([
      ['2026-05-15', '193.9013', '193.9656', '191.7537', '192.2697', '120925'],
      ['2026-05-14', '195.5705', '195.6871', '194.3688', '194.7835', '162461'],
    ])
    expect(syntheticRows('IBM', '2026-05-14', '2026-05-15')).toEqual([
      ['2026-05-15', '243.3153', '244.4243', '242.4552', '243.6179', '4317963'],
      ['2026-05-14', '243.9486', '244.6138', '243.4002', '244.1534', '4924471'],
    ])
  })

  it.each([
    ['AAPL', 150, 350, 10_000_000],
    ['AMZN', 100, 300, 10_000_000],
    ['GOOGL', 100, 300, 5_000_000],
    ['IBM', 150, 350, 1_000_000],
    ['META', 400, 900, 3_000_000],
    ['MSFT', 300, 600, 5_000_000],
    ['NVDA', 80, 250, 40_000_000],
    ['TSLA', 150, 500, 20_000_000],
  ])(
    'is on a scale that people know of %s: %i to %i dollars, %i shares and more',
    (symbol, low, high, volume) => {
      for (const row of syntheticRows(symbol, '2024-01-01', '2026-12-31')) {
        expect(Number(row[3])).toBeGreaterThan(low)
        expect(Number(row[2])).toBeLessThan(high)
        expect(Number(row[5])).toBeGreaterThan(volume)
      }
    },
  )
})
