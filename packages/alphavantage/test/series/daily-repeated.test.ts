import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type DailySeries, parseDailyCsv, parseDailyJson } from '../../src/series/daily-series.js'
import { type Fields, META_DATA, NOW, record } from './bodies.js'

type Line = readonly [date: string, record: unknown]

/** Writes a body by hand, since no object holds a key twice. */
function bodyOf(lines: readonly Line[], indent?: number): string {
  const members = lines.map(([date, value]) => `"${date}": ${JSON.stringify(value, null, indent)}`)
  return `{"Meta Data": ${JSON.stringify(META_DATA)}, "Time Series (Daily)": {${members.join(', ')}}}`
}

function csvOf(lines: readonly (readonly [date: string, record: Fields])[]): string {
  const rows = lines.map(([date, value]) => [date, ...Object.values(value)].join(','))
  return `timestamp,open,high,low,close,volume\r\n${rows.map((row) => `${row}\r\n`).join('')}`
}

const read = (lines: readonly Line[]) => parseDailyJson(bodyOf(lines), 'IBM', NOW)
const datesOf = (series: DailySeries) => series.rows.map(({ date }) => date)
const restated = record({ '4. close': '100.5000' })
const adjusted = (rest: Fields) => ({ ...record(), '8. split coefficient': '1.0', ...rest })

describe('a date that comes twice', () => {
  it('with the same values is stored once, and the repetition is rejected', () => {
    const series = read([
      ['2026-05-15', record()],
      ['2026-05-15', record()],
      ['2026-05-14', restated],
    ])
    expect(datesOf(series)).toEqual(['2026-05-14', '2026-05-15'])
    expect(series.rejected).toEqual([
      { date: '2026-05-15', raw: { '2026-05-15': record() }, reasons: ['repeated_date'] },
    ])
  })

  it('with other values is not stored, since nobody can say which is right: both are rejected', () => {
    const series = read([
      ['2026-05-15', record()],
      ['2026-05-15', restated],
      ['2026-05-14', record()],
    ])
    expect(datesOf(series)).toEqual(['2026-05-14'])
    expect(series.rejected).toEqual([
      { date: '2026-05-15', raw: { '2026-05-15': record() }, reasons: ['conflicting_date'] },
      { date: '2026-05-15', raw: { '2026-05-15': restated }, reasons: ['conflicting_date'] },
    ])
  })

  it.each<[string, Line[], string[][]]>([
    [
      'with the same values, of which one has more zeros',
      [
        ['2026-05-15', record({ '5. volume': '12345', '4. close': '101.2500' })],
        ['2026-05-15', record({ '5. volume': '12345.0', '4. close': '101.25' })],
      ],
      [['repeated_date']],
    ],
    [
      'three times, once otherwise',
      [
        ['2026-05-15', record()],
        ['2026-05-15', restated],
        ['2026-05-15', record()],
      ],
      [['conflicting_date'], ['conflicting_date'], ['conflicting_date']],
    ],
    [
      'once as no record at all',
      [
        ['2026-05-15', record()],
        ['2026-05-15', null],
      ],
      [['conflicting_date'], ['not_a_record', 'conflicting_date']],
    ],
    [
      'once as a bad row',
      [
        ['2026-05-15', record({ '5. volume': 'NaN' })],
        ['2026-05-15', record()],
      ],
      [['not_a_number', 'conflicting_date'], ['conflicting_date']],
    ],
    [
      'as the same bad row',
      [
        ['2026-05-15', record({ '4. close': '0.0000' })],
        ['2026-05-15', record({ '4. close': '0.0000' })],
      ],
      [
        ['zero_price', 'close_outside_range'],
        ['zero_price', 'close_outside_range', 'repeated_date'],
      ],
    ],
    [
      'though it is no real one',
      [
        ['soon', record()],
        ['soon', restated],
      ],
      [['not_a_date'], ['not_a_date']],
    ],
    [
      'in a series of the adjusted kind, with other values of what is not stored',
      [
        ['2026-05-15', adjusted({ '5. adjusted close': '50.6' })],
        ['2026-05-15', adjusted({ '5. adjusted close': '40.6' })],
      ],
      [['repeated_date']],
    ],
  ])('is accounted for %s, with another day between', (_what, lines, reasons) => {
    const [first, ...others] = lines
    const series = read([first ?? ['', null], ['2026-05-14', record()], ...others])
    expect(series.rejected.map((row) => row.reasons)).toEqual(reasons)
    expect(series.rows).toHaveLength(1 + lines.length - reasons.length)
  })

  it('is seen though one of them is escaped', () => {
    const { rows, rejected } = read([
      ['2026-05-15', record()],
      [String.raw`2026\u002d05-15`, restated],
    ])
    expect(rows).toEqual([])
    expect(rejected.map(({ date }) => date)).toEqual(['2026-05-15', '2026-05-15'])
  })

  it('is settled in a body that nests deeper than the stack', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    const body = bodyOf([
      ['2026-05-15', 'DEEP'],
      ['2026-05-15', 'DEEP'],
      ['2026-05-14', record()],
    ]).replaceAll('"DEEP"', deep)
    expect(parseDailyJson(body, 'IBM', NOW)).toMatchObject({
      rows: [{ date: '2026-05-14' }],
      rejected: [{ reasons: ['not_a_record'] }, { reasons: ['not_a_record', 'repeated_date'] }],
    })
  })
})

describe('a field that comes twice in a record', () => {
  it('rejects that record alone, which is kept as it was written', () => {
    const twice = '{"4. close": "100.0", "1. open": "1", "2. high": "1", "4. close": "1"}'
    const body = bodyOf([
      ['2026-05-15', 'TWICE'],
      ['2026-05-14', record()],
    ]).replace('"TWICE"', twice)
    const series = parseDailyJson(body, 'IBM', NOW)
    expect(datesOf(series)).toEqual(['2026-05-14'])
    expect(series.rejected).toEqual([
      { date: '2026-05-15', raw: { '2026-05-15': twice }, reasons: ['repeated_field'] },
    ])
  })
})

describe('the parsers', () => {
  /** Has so few days and values that dates come twice, with equal values and with others. */
  const lines = fc.array(
    fc.tuple(
      fc.constantFrom('2026-05-11', '2026-05-12', '2026-05-13', '2026-05-14', '2026-05-15', 'soon'),
      fc.constantFrom(record(), restated, record({ '4. close': 'NaN' })),
    ),
    { minLength: 1, maxLength: 12 },
  )

  it('store a date exactly if all that is said of it is one sound row, and account for every record', () => {
    fc.assert(
      fc.property(lines, fc.constantFrom(undefined, 4), (given, indent) => {
        const stored = [...new Set(given.map(([date]) => date))].filter((date) => {
          const said = new Set(given.filter((line) => line[0] === date).map((line) => line[1]['4. close']))
          return date !== 'soon' && said.size === 1 && !said.has('NaN')
        })
        for (const series of [
          parseDailyJson(bodyOf(given, indent), 'IBM', NOW),
          parseDailyCsv(csvOf(given), 'IBM', NOW),
        ]) {
          expect(datesOf(series)).toEqual(stored.toSorted())
          expect(series.rows.length + series.rejected.length + series.provisional.length).toBe(given.length)
          expect(series.rejected.every(({ reasons }) => reasons.length > 0)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
