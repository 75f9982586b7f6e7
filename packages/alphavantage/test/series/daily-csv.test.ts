import { describe, expect, it } from 'vitest'
import { parseDailyCsv } from '../../src/series/daily-series.js'
import { NOW } from './bodies.js'

const ROWS = [
  {
    date: '2026-05-14',
    open: '215.5450',
    high: '220.9600',
    low: '215.0000',
    close: '218.3700',
    volume: '5906199',
  },
  {
    date: '2026-05-15',
    open: '218.2000',
    high: '220.9100',
    low: '217.6150',
    close: '219.3000',
    volume: '6154450',
  },
]
const RAW = `timestamp,open,high,low,close,volume
2026-05-15,218.2000,220.9100,217.6150,219.3000,6154450
2026-05-14,215.5450,220.9600,215.0000,218.3700,5906199
`
const ADJUSTED = `timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient
2026-05-15,218.2000,220.9100,217.6150,219.3000,1.3,6154450,0.0000,1.0
2026-05-14,215.5450,220.9600,215.0000,218.3700,1.37,5906199,0.0000,1.0
`

describe('a daily series in CSV', () => {
  it.each([
    ['raw, LF', RAW],
    ['raw, CRLF', RAW.replaceAll('\n', '\r\n')],
    ['adjusted, CRLF', ADJUSTED.replaceAll('\n', '\r\n')],
  ])('gives its rows to the letter, oldest first (%s)', (_form, body) => {
    expect(parseDailyCsv(body, 'IBM', NOW)).toEqual({
      symbol: 'IBM',
      lastRefreshed: null,
      timeZone: null,
      rows: ROWS,
      rejected: [],
      dropped: 0,
      newestRejected: false,
      provisional: [],
      bytes: body.length,
    })
  })

  it('rejects a bad line with its text, and lets the others pass', () => {
    const lines = [
      '2026-05-13,1,2,3,NaN,5',
      '2026-05-12,1.0,1.0',
      '2026-05-11,1,1,1,1,1,1',
      'null,1,1,1,1,1',
      '',
    ]
    const { rows, rejected } = parseDailyCsv(`${RAW}${lines.join('\n')}\n`, 'IBM', NOW)
    expect(rows).toEqual(ROWS)
    expect(rejected).toMatchObject([
      { date: '2026-05-13', raw: lines[0], reasons: ['not_a_number'] },
      { date: '2026-05-12', raw: lines[1], reasons: ['missing_low', 'missing_close', 'missing_volume'] },
      { date: '2026-05-11', raw: lines[2], reasons: ['not_a_record'] },
      { date: null, raw: lines[3], reasons: ['not_a_date'] },
      { date: null, raw: '' },
    ])
  })

  it('holds a bar for provisional until its day is over everywhere on Earth', () => {
    expect(parseDailyCsv(RAW, 'IBM', new Date('2026-05-16T11:59:59Z'))).toMatchObject({
      rows: [ROWS[0]],
      provisional: [ROWS[1]],
    })
    expect(parseDailyCsv(RAW, 'IBM', new Date('2026-05-16T12:00:00Z'))).toMatchObject({
      rows: ROWS,
      provisional: [],
    })
  })
})
