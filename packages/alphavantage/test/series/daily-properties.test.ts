import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDailyCsv, parseDailyJson } from '../../src/series/daily-series.js'
import { AlphaVantageError } from '../../src/refusals/refusal.js'
import { dailyBody, type Fields, META_DATA, NOW } from './bodies.js'

/** Sound and odd numbers, close enough to each other that open, high, low and close come in every order. */
const price = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 99_999 }).map((value) => (value / 1_000).toFixed(4)) },
  { weight: 4, arbitrary: fc.integer({ min: 8, max: 12 }).map(String) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('NaN', '-1.0', '1e5', '', '0.0000', '00.1', '9'.repeat(17), 'a\0b'),
  },
  { weight: 1, arbitrary: fc.constantFrom(null, 7, undefined, {}, []) },
)
const volume = fc.oneof(
  { weight: 4, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 63n }).map(String) },
  { weight: 2, arbitrary: fc.stringMatching(/^(0|[1-9]\d{0,20})\.\d{1,20}$/) },
  { weight: 1, arbitrary: fc.constantFrom('-1', '1.', '.5', '0.0', '01.5', '1'.padEnd(20, '0'), '') },
)
const day = fc
  .date({ min: new Date('1890-01-01'), max: new Date('2026-05-25'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const date = fc.oneof({ weight: 20, arbitrary: day }, { weight: 1, arbitrary: fc.string() })
const record = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.tuple(price, price, price, price, volume).map(([open, high, low, close, shares]) => ({
      '1. open': open,
      '2. high': high,
      '3. low': low,
      '4. close': close,
      '5. volume': shares,
    })),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
)
const lastRefreshed = fc.constantFrom('2026-05-15', '2010-05-15 11:00:00', 'unknown')
const records = fc.dictionary(date, record, { minKeys: 1, maxKeys: 20, noNullPrototype: true })

/** Gives what a parser throws other than an AlphaVantageError; undefined when it throws nothing else. */
function foreignErrorOf(parse: () => unknown): unknown {
  try {
    parse()
    return null
  } catch (error) {
    return error instanceof AlphaVantageError ? null : error
  }
}

describe('the parsers', () => {
  it('account for every record exactly once, in order and storable', () => {
    fc.assert(
      fc.property(records, lastRefreshed, (given, refreshed) => {
        const series = parseDailyJson(
          dailyBody(given, { ...META_DATA, '3. Last Refreshed': refreshed }),
          'IBM',
          NOW,
        )
        const { rows, rejected, provisional } = series
        expect(rows.length + rejected.length + provisional.length).toBe(Object.keys(given).length)
        expect(rows.map((row) => row.date)).toEqual(rows.map((row) => row.date).toSorted())
        expect(rejected.every(({ reasons }) => reasons.length > 0)).toBe(true)
        expect(JSON.stringify(rejected)).not.toMatch(/(?<!\\)\\u0000/)
        for (const row of [...rows, ...provisional]) {
          const [open, high, low, close] = [row.open, row.high, row.low, row.close].map(Number)
          expect(Math.max(open ?? 0, close ?? 0)).toBeLessThanOrEqual(high ?? 0)
          expect(Math.min(open ?? 0, close ?? 0)).toBeGreaterThanOrEqual(low ?? 0)
          expect(given[row.date]).toMatchObject({
            '1. open': row.open,
            '4. close': row.close,
            '5. volume': row.volume,
          })
        }
      }),
      { numRuns: 500 },
    )
  })

  it('read a regular body alike, whether by the short way or the general one', () => {
    const regular = fc.dictionary(
      day,
      fc
        .tuple(price, price, price, price, volume)
        .map((fields) => fields.map((field) => (typeof field === 'string' ? field : '1.5'))),
      { minKeys: 1, maxKeys: 10, noNullPrototype: true },
    )
    fc.assert(
      fc.property(regular, lastRefreshed, fc.constantFrom(0, 4), (given, refreshed, indent) => {
        const metaData = { ...META_DATA, '3. Last Refreshed': refreshed }
        const build = (order: string[]) => {
          const sorted: Fields = {}
          for (const [key, [open, high, low, close, shares]] of Object.entries(given)) {
            const fields: Fields = {
              '1. open': open,
              '2. high': high,
              '3. low': low,
              '4. close': close,
              '5. volume': shares,
            }
            sorted[key] = Object.fromEntries(order.map((name) => [name, fields[name]]))
          }
          return parseDailyJson(dailyBody(sorted, metaData, indent), 'IBM', NOW)
        }
        const order = ['1. open', '2. high', '3. low', '4. close', '5. volume']
        // The reader of regular bodies knows one order of the fields only.
        expect(build(order)).toEqual(build(order.toReversed()))
      }),
      { numRuns: 500 },
    )
  })

  it('throw nothing but AlphaVantageError, whatever text they get', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (text) => {
        expect(foreignErrorOf(() => parseDailyJson(text, 'IBM', NOW))).toBeNull()
        expect(foreignErrorOf(() => parseDailyCsv(text, 'IBM', NOW))).toBeNull()
        expect(
          foreignErrorOf(() => parseDailyCsv(`timestamp,open,high,low,close,volume\n${text}\n`, 'IBM', NOW)),
        ).toBeNull()
      }),
      { numRuns: 1_000 },
    )
  })

  it('throw nothing but AlphaVantageError when a sound body is cut or altered anywhere', () => {
    const body = dailyBody({
      '2026-05-15': { '1. open': '1.5', '2. high': '2', '3. low': '1', '4. close': '1', '5. volume': '7' },
    })
    const at = fc.integer({ min: 0, max: body.length })
    fc.assert(
      fc.property(at, at, fc.string(), (from, length, text) => {
        const altered = body.slice(0, from) + text + body.slice(from + length)
        expect(foreignErrorOf(() => parseDailyJson(altered, 'IBM', NOW))).toBeNull()
      }),
      { numRuns: 1_000 },
    )
  })

  it('survive a body that is nested deeper than the stack', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    for (const body of [
      deep,
      `{"Information": ${deep}}`,
      `{"x": ${deep}}`,
      `{"Time Series (Daily)": {"x": ${deep}}}`,
    ]) {
      expect(foreignErrorOf(() => parseDailyJson(body, 'IBM', NOW))).toBeNull()
    }
  })
})
