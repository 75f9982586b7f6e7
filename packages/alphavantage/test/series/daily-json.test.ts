import { describe, expect, it } from 'vitest'
import { parseDailyJson } from '../../src/series/daily-series.js'
import { dailyBody, type Fields, META_DATA, NOW, record } from './bodies.js'

const ROW = {
  open: '100.0000',
  high: '102.5000',
  low: '99.0000',
  close: '101.2500',
  volume: '6154450',
}

function parse(body: string, now = NOW) {
  return parseDailyJson(body, 'IBM', now)
}

describe('a sound body', () => {
  it('gives its rows to the letter, oldest first, with its size', () => {
    const body = dailyBody({ '2026-05-15': record({ '1. open': '100.1' }), '2026-05-14': record() })
    expect(parse(body)).toEqual({
      symbol: 'IBM',
      lastRefreshed: '2026-05-15',
      timeZone: 'US/Eastern',
      rows: [
        { date: '2026-05-14', ...ROW },
        { date: '2026-05-15', ...ROW, open: '100.1' },
      ],
      rejected: [],
      dropped: 0,
      newestRejected: false,
      provisional: [],
      bytes: body.length,
    })
  })

  it('gives its rows oldest first in whatever order they come', () => {
    const dates = ['2026-05-13', '2026-05-15', '2026-05-12', '2026-05-14']
    const { rows } = parse(dailyBody(Object.fromEntries(dates.map((date) => [date, record()]))))
    expect(rows.map(({ date }) => date)).toEqual(dates.toSorted())
  })

  it('is read by the names of its fields, as adjusted series count them otherwise', () => {
    const adjusted = {
      '1. open': '100.0000',
      '2. high': '102.5000',
      '3. low': '99.0000',
      '4. close': '101.2500',
      '5. adjusted close': '50.6250',
      '6. volume': '6154450',
      '7. dividend amount': '0.0000',
      '8. split coefficient': '1.0',
    }
    expect(parse(dailyBody({ '2026-05-15': adjusted })).rows).toEqual([{ date: '2026-05-15', ...ROW }])
  })

  it('may write its symbol in another case, hold volumes beyond 2^63, of zero and with fractions', () => {
    const volumes = ['0', '0.0', '0.5', '12345.0', '6321507.562155', '9223372036854775808', '9'.repeat(19)]
    for (const volume of volumes) {
      const records = { '2026-05-15': record({ '5. volume': volume }) }
      const body = dailyBody(records, { ...META_DATA, '2. Symbol': 'ibm' })
      expect(parse(body)).toMatchObject({ symbol: 'IBM', rejected: [], rows: [{ volume }] })
    }
  })

  it('may hold a split', () => {
    const after = {
      '1. open': '176.1900',
      '2. high': '180.0000',
      '3. low': '170.0000',
      '4. close': '175.0000',
    }
    const before = {
      '1. open': '4194.3100',
      '2. high': '4200.0000',
      '3. low': '4100.0000',
      '4. close': '4194.3100',
    }
    expect(parse(dailyBody({ '2026-05-15': record(after), '2026-05-14': record(before) })).rows).toHaveLength(
      2,
    )
  })
})

describe('a bad row', () => {
  const BAD: [string, Fields, string[]][] = [
    ['NaN', { '4. close': 'NaN' }, ['not_a_number']],
    ['Infinity', { '2. high': 'Infinity' }, ['not_a_number']],
    ['an exponent', { '4. close': '1e2' }, ['not_a_number']],
    ['a leading zero', { '4. close': '0101.2500' }, ['not_a_number']],
    ['a plus sign', { '4. close': '+101.2500' }, ['not_a_number']],
    ['white space', { '4. close': ' 101.2500' }, ['not_a_number']],
    ['a comma', { '4. close': '101,25' }, ['not_a_number']],
    ['a NUL', { '4. close': '101.2500\0' }, ['not_a_number']],
    ['a negative price', { '3. low': '-99.0000' }, ['negative']],
    ['a price of zero', { '4. close': '0.0000' }, ['zero_price', 'close_outside_range']],
    ['a price of 16 digits', { '2. high': '1000000000000000' }, ['price_out_of_range']],
    ['high below low', { '2. high': '98.9999' }, ['high_below_low']],
    ['open above high', { '1. open': '102.5001' }, ['open_outside_range']],
    ['open below low, by its digits alone', { '1. open': '98.99999' }, ['open_outside_range']],
    ['close below low', { '4. close': '9.9' }, ['close_outside_range']],
    ['no close', { '4. close': undefined }, ['missing_close']],
    ['an empty volume', { '5. volume': '' }, ['missing_volume']],
    ['a JSON number', { '4. close': 101.25 }, ['not_text']],
    ['a nested value', { '4. close': { value: '101.2500' } }, ['not_text']],
    ['a negative volume', { '5. volume': '-1' }, ['negative']],
    ['a negative fraction of a share', { '5. volume': '-0.5' }, ['negative']],
    ['a volume of 20 digits', { '5. volume': '1'.padEnd(20, '0') }, ['volume_out_of_range']],
    ['a volume of 19 decimals', { '5. volume': `1.${'0'.repeat(19)}` }, ['volume_out_of_range']],
    ['a volume with a bare point', { '5. volume': '6154450.' }, ['not_a_number']],
    ['a volume of NaN', { '5. volume': 'NaN' }, ['not_a_number']],
    ['a field twice under two numbers', { '9. close': '101.2500' }, ['repeated_field']],
    [
      'several faults',
      { '1. open': 'x', '2. high': '-1', '5. volume': '' },
      ['not_a_number', 'negative', 'missing_volume'],
    ],
  ]

  it.each(BAD)('with %s is rejected with its record, and the others pass', (_what, changes, reasons) => {
    const bad = record(changes)
    const body = dailyBody({ '2026-05-15': record(), '2026-05-14': bad, '2026-05-13': record() })
    const series = parse(body)
    expect(series.rows.map(({ date }) => date)).toEqual(['2026-05-13', '2026-05-15'])
    expect(series.rejected).toHaveLength(1)
    expect(series.rejected[0]).toMatchObject({ date: '2026-05-14', reasons })
    const kept = JSON.stringify(series.rejected[0]?.raw)
    expect(kept).toBe(JSON.stringify({ '2026-05-14': bad }).replace(String.raw`\u0000`, String.raw`\\u0000`))
  })

  it.each(['2026-02-30', '2025-02-29', '2026-13-01', '0000-01-01', 'May 15', '', '2026-05-15 16:00', '\0'])(
    'dated %j is rejected without a date',
    (date) => {
      const { rejected, rows } = parse(dailyBody({ '2026-05-15': record(), [date]: record() }))
      expect(rows).toHaveLength(1)
      expect(rejected).toMatchObject([{ date: null, reasons: ['not_a_date'] }])
      expect(JSON.stringify(rejected)).not.toContain(String.raw`"\u0000`)
    },
  )

  it('is one that is dated after the newest date on Earth', () => {
    const body = dailyBody({ '2026-05-19': record(), '2026-05-15': record() })
    const { rejected, rows } = parse(body, new Date('2026-05-17T10:00:00Z'))
    expect(rows).toMatchObject([{ date: '2026-05-15' }])
    expect(rejected).toMatchObject([{ date: '2026-05-19', reasons: ['future_date'] }])
  })

  it.each(['0001-01-01', '1899-12-29', '1899-12-30', '1899-12-31'])('is one dated %s', (date) => {
    const { rejected, rows } = parse(dailyBody({ '2026-05-15': record(), [date]: record() }))
    expect(rows).toHaveLength(1)
    expect(rejected).toEqual([{ date, raw: { [date]: record() }, reasons: ['before_1900'] }])
  })

  it.each(['1999-11-06', '2026-05-16', '2026-05-17'])(
    'is one of a US symbol on a Saturday or a Sunday: %s',
    (date) => {
      const metaData = { ...META_DATA, '2. Symbol': 'BRK.B', '3. Last Refreshed': '2026-05-17' }
      const body = dailyBody({ [date]: record(), '2026-05-15': record() }, metaData)
      const { rejected, rows, provisional } = parseDailyJson(body, 'BRK.B', NOW)
      expect(rows).toMatchObject([{ date: '2026-05-15' }])
      expect(provisional).toEqual([])
      expect(rejected).toEqual([{ date, raw: { [date]: record() }, reasons: ['weekend_date'] }])
    },
  )

  it.each(['TEVA.TLV', '600104.SHH', 'TSCO.LON'])('is none for that on another exchange: %s', (symbol) => {
    const metaData = { ...META_DATA, '2. Symbol': symbol, '3. Last Refreshed': '2026-05-17' }
    const body = dailyBody({ '2026-05-17': record(), '2026-05-16': record() }, metaData)
    expect(parseDailyJson(body, symbol, NOW)).toMatchObject({
      rows: [{ date: '2026-05-16' }, { date: '2026-05-17' }],
      rejected: [],
    })
  })

  it.each([null, 'closed', 7, [], [record()]])('may be no record at all: %j', (value) => {
    const { rejected } = parse(dailyBody({ '2026-05-15': record(), '2026-05-14': value }))
    expect(rejected).toEqual([
      { date: '2026-05-14', raw: { '2026-05-14': value }, reasons: ['not_a_record'] },
    ])
  })

  it('is kept in a bounded size, however large and deep it is', () => {
    const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`
    const body = dailyBody({ '2026-05-14': record({ '4. close': 'x'.repeat(100_000), deep: 'DEEP' }) })
    const { rejected } = parse(body.replace('"DEEP"', deep))
    expect(JSON.stringify(rejected).length).toBeLessThan(2_000)
  })
})

describe('a body of nothing but bad rows', () => {
  it('keeps those of the newest 1,000 dates, counts the others, and takes no time to speak of', () => {
    const days = Array.from({ length: 40_000 }, (_, index) =>
      new Date(Date.UTC(2026, 4, 15) - index * 86_400_000).toISOString().slice(0, 10),
    )
    for (const order of [days, days.toReversed()]) {
      const body = dailyBody(
        Object.fromEntries(order.map((date) => [date, record({ '4. close': '0.0000' })])),
      )
      const startedAt = process.cpuUsage()
      const { rejected, dropped, rows } = parse(body)
      // It takes some 0.2 s on two cores.
      expect(process.cpuUsage(startedAt).user / 1_000).toBeLessThan(5_000)
      expect([rejected.length, dropped, rows.length]).toEqual([1_000, 39_000, 0])
      expect(rejected.map(({ date }) => date)).toEqual(days.slice(0, 1_000))
    }
  })
})

describe('the newest record', () => {
  const bad = record({ '4. close': '0.0000' })

  it.each<[string, Fields, boolean]>([
    ['sound', { '2026-05-15': record(), '2026-05-14': bad }, false],
    ['bad', { '2026-05-15': bad, '2026-05-14': record() }, true],
    ['bad, though it does not come first', { '2026-05-14': record(), '2026-05-15': bad }, true],
    ['of the future', { '2027-05-15': record(), '2026-05-15': record() }, true],
    ['first and without a date', { soon: record(), '2026-05-15': record() }, true],
    ['another than one without a date', { '2026-05-15': record(), soon: record() }, false],
  ])('that is %s is told (%#)', (_what, records, newestRejected) => {
    expect(parse(dailyBody(records))).toMatchObject({ newestRejected })
  })

  it('that comes twice is told when it is not stored', () => {
    const twice = (other: Fields) =>
      dailyBody({ '2026-05-15': record(), again: other }).replace('"again"', '"2026-05-15"')
    expect(parse(twice(record()))).toMatchObject({ newestRejected: false })
    expect(parse(twice(record({ '4. close': '100.5' })))).toMatchObject({ newestRejected: true })
  })

  it('of a session that is open is none that was rejected', () => {
    const metaData = { ...META_DATA, '3. Last Refreshed': '2026-05-15 11:00:00' }
    const body = dailyBody({ '2026-05-15': record(), '2026-05-14': bad }, metaData)
    expect(parse(body, new Date('2026-05-15T15:00:00Z'))).toMatchObject({
      newestRejected: false,
      provisional: [{ date: '2026-05-15' }],
    })
  })
})
