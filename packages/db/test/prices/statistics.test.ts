import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bar } from '@stockpile/domain/bar'
import { packBars } from '../../src/prices/bars.js'
import { AVERAGES, readStatistics, STATISTIC_NAMES } from '../../src/prices/statistics.js'
import type { StatisticsQuery } from '../../src/prices/statistics.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()
const store = (symbol: string, ...bars: Bar[]) =>
  connection.db.transaction((tx) => upsertBars(tx, symbol, packBars(bars)))
const read = (query: Partial<StatisticsQuery> = {}) =>
  readStatistics(connection.db, {
    symbols: ['IBM'],
    startDate: '2024-01-01',
    endDate: '2024-12-31',
    names: STATISTIC_NAMES,
    limit: 100,
    ...query,
  })

/** A decimal as a whole number of units of 10⁻⁸. */
const SCALE = 100_000_000n
const scaled = (decimal: string): bigint => {
  const [whole = '', decimals = ''] = decimal.split('.')
  return BigInt(whole + decimals.padEnd(8, '0'))
}
const sum = (values: bigint[]): bigint => values.reduce((total, value) => total + value, 0n)
/** dividend ÷ divisor, rounded half up to so many decimals, as the number that JSON writes. */
const roundedTo = (dividend: bigint, divisor: bigint, decimals: number): number | null => {
  if (divisor === 0n) return null
  const units = (2n * dividend * 10n ** BigInt(decimals) + divisor) / (2n * divisor)
  return numberOf(units, decimals)
}
/** Rounded to 4 decimals, or below 1 to 6 significant digits. */
const decimalsOf = (isAtLeast: (exponent: bigint) => boolean): number => {
  if (isAtLeast(0n)) return 4
  let place = 1n
  while (!isAtLeast(place)) place += 1n
  return Number(place) + 5
}
const rounded = (dividend: bigint, divisor: bigint): number | null =>
  roundedTo(
    dividend,
    divisor,
    dividend === 0n ? 4 : decimalsOf((exponent) => dividend * 10n ** exponent >= divisor),
  )
const numberOf = (units: bigint, decimals: number): number => {
  const digits = String(units).padStart(decimals + 1, '0')
  return Number(`${digits.slice(0, digits.length - decimals)}.${digits.slice(digits.length - decimals)}`)
}
/** The largest whole number of units k for which k − ½ is not above the root, found by halving. */
const roundedRoot = (dividend: bigint, divisor: bigint): number => {
  if (dividend === 0n) return 0
  const decimals = decimalsOf((exponent) => dividend * 100n ** exponent >= divisor)
  let [low, high] = [0n, 1n << 100n]
  while (high - low > 1n) {
    const middle = (low + high) / 2n
    if ((2n * middle - 1n) ** 2n * divisor <= 4n * 100n ** BigInt(decimals) * dividend) low = middle
    else high = middle
  }
  return numberOf(low, decimals)
}

const wholeArbitrary = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000_000 }))
const priceArbitrary = fc
  .tuple(wholeArbitrary, fc.integer({ min: 0, max: 6 }), fc.nat({ max: 999_999 }))
  .map(([whole, decimals, part]) =>
    decimals === 0 ? `${whole}` : `${whole}.${String(part).padStart(6, '0').slice(-decimals)}`,
  )
const volumeArbitrary = fc.oneof(
  fc.oneof(fc.constant(0n), fc.bigInt(0n, 10n ** 6n), fc.bigInt(0n, 2n ** 62n)).map(String),
  fc.tuple(fc.nat(2), fc.nat(999_999)).map(([whole, part]) => `${whole}.${String(part).padStart(6, '0')}`),
)
const daysArbitrary = fc
  .uniqueArray(fc.nat({ max: 365 }), { maxLength: 12 })
  .chain((days) =>
    fc.tuple(
      ...days
        .toSorted((a, b) => a - b)
        .map((day) =>
          fc.tuple(
            fc.constant(day),
            fc.array(priceArbitrary, { minLength: 4, maxLength: 4 }),
            volumeArbitrary,
          ),
        ),
    ),
  )
  .map((days) => days.map(([day, prices, volume]) => barOf(day, prices, volume)))

function barOf(day: number, prices: string[], volume: string): Bar {
  const date = new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)
  const [low = '', open = '', close = '', high = ''] = prices.toSorted((a, b) =>
    Number(scaled(a) - scaled(b)),
  )
  return { date, open, high, low, close, volume }
}

/** The statistics of these days, which are in order, by their definitions and with whole numbers. */
function expected(bars: Bar[]) {
  const count = BigInt(bars.length)
  const closes = bars.map((one) => scaled(one.close))
  const volumes = bars.map((one) => scaled(one.volume))
  const hasFractions = bars.some((one) => one.volume.includes('.'))
  const total = sum(volumes)
  const traded = sum(closes.map((close, index) => close * (volumes[index] ?? 0n)))
  const squares = count * sum(closes.map((close) => close * close)) - sum(closes) ** 2n
  return {
    average_daily_open_price: rounded(sum(bars.map((one) => scaled(one.open))), count * SCALE),
    average_daily_close_price: rounded(sum(closes), count * SCALE),
    average_daily_volume: hasFractions ? rounded(total, count * SCALE) : roundedTo(total, count * SCALE, 0),
    number_of_days: bars.length,
    first_date: bars[0]?.date ?? null,
    last_date: bars.at(-1)?.date ?? null,
    first_open_price: bars[0]?.open ?? null,
    last_close_price: bars.at(-1)?.close ?? null,
    total_volume: hasFractions
      ? `${total / SCALE}.${String(total % SCALE)
          .padStart(8, '0')
          .slice(0, 6)}`
      : String(total / SCALE),
    close_price_standard_deviation:
      count < 2n ? null : roundedRoot(squares, count * (count - 1n) * SCALE * SCALE),
    volume_weighted_average_price: rounded(traded, total * SCALE),
  }
}

describe('statistics', () => {
  test('are what exact arithmetic says, whatever the days', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(daysArbitrary, async (bars) => {
        const symbol = `S${run++}`
        await store(symbol, bar('2020-01-02'), ...bars)
        const { entries } = await read({ symbols: [symbol] })
        const { lowest_low_price: lowest, highest_high_price: highest, ...others } = entries[0] ?? {}
        const range = { start_date: '2024-01-01', end_date: '2024-12-31' }
        expect(others).toStrictEqual({ symbol, ...range, ...expected(bars) })
        // Of equal prices with different decimals either may be answered: the provider wrote both.
        expect(equalPrices(bars.map((one) => one.low)).at(0) ?? [null]).toContain(lowest)
        expect(equalPrices(bars.map((one) => one.high)).at(-1) ?? [null]).toContain(highest)
      }),
      { numRuns: 150 },
    )
  })

  test('round half up where a quotient that was rounded before would round down or up wrongly', async () => {
    // The mean is 1.00005 less 10⁻²⁰: with 16 digits it is 1.00005, which rounds up.
    await store(
      'IBM',
      bar('2024-01-02', { ...flat('1.00005'), volume: '1' }),
      bar('2024-01-03', { ...flat('1.00004999999999999998'), volume: '1' }),
    )
    const { entries } = await read()
    expect(entries).toMatchObject([{ average_daily_close_price: 1, volume_weighted_average_price: 1 }])
    // √V is 1.00005 exactly, and just below it.
    await store(
      'HALF',
      ...['1', '2.00005', '3.0001'].map((price, day) => bar(`2024-01-0${day + 2}`, flat(price))),
    )
    await store(
      'LESS',
      ...['1', '2.00005', '3.00009999999999999999'].map((price, day) =>
        bar(`2024-01-0${day + 2}`, flat(price)),
      ),
    )
    expect((await read({ symbols: ['HALF', 'LESS'] })).entries).toMatchObject([
      { close_price_standard_deviation: 1.0001 },
      { close_price_standard_deviation: 1 },
    ])
  })

  test('keep 6 significant digits of what is below 1, however small', async () => {
    const closes = ['0.0002', '0.0001', '0.0002', '0.0001']
    await store('TINY', ...closes.map((price, day) => bar(`2024-01-0${day + 2}`, flat(price))))
    await store('LESS', bar('2024-01-02', flat('0.00000123456789')), bar('2024-01-03', flat('0')))
    expect((await read({ symbols: ['TINY', 'LESS'] })).entries).toMatchObject([
      { average_daily_close_price: 0.00015, close_price_standard_deviation: 0.000057735 },
      { average_daily_close_price: 6.17284e-7, close_price_standard_deviation: 8.72971e-7 },
    ])
  })

  test('add volumes with fractions up as they are written', async () => {
    await store('IBM', bar('2024-01-02', { volume: '6321507.562155' }), bar('2024-01-03', { volume: '0.4' }))
    expect((await read()).entries).toMatchObject([
      { total_volume: '6321507.962155', average_daily_volume: 3160753.9811 },
    ])
  })

  test('are the names asked for and no others', async () => {
    await store('IBM', bar('2024-01-02', { ...flat('1.50'), volume: '2' }))
    const { entries } = await read({ names: ['last_close_price', 'number_of_days'] })
    expect(entries).toStrictEqual([
      {
        symbol: 'IBM',
        start_date: '2024-01-01',
        end_date: '2024-12-31',
        last_close_price: '1.50',
        number_of_days: 1,
      },
    ])
  })

  test('of a symbol without days in the range are nulls, an unknown symbol is named', async () => {
    await store('IBM', bar('2020-01-02'))
    const { entries, unknown } = await read({ symbols: ['NOSUCH', 'IBM', 'NONE'], names: AVERAGES })
    expect(unknown).toStrictEqual(['NOSUCH', 'NONE'])
    expect(entries).toMatchObject([{ symbol: 'IBM', average_daily_volume: null }])
  })

  test('come by period, clipped to the range, only for periods with days', async () => {
    const days = ['2023-12-29', '2024-01-31', '2024-03-31', '2024-04-01', '2025-01-02']
    await store('IBM', ...days.map((day) => bar(day)))
    await store('AAPL', bar('2024-02-29'))
    const periods = async (groupBy: 'month' | 'quarter' | 'year') =>
      (
        await read({
          symbols: ['IBM', 'AAPL'],
          startDate: '2023-12-29',
          endDate: '2025-01-30',
          names: ['number_of_days'],
          groupBy,
        })
      ).entries.map((entry) => Object.values(entry).join(' '))
    expect(await periods('month')).toStrictEqual([
      '2023-12-29 2023-12-31 IBM 2023-12 1',
      '2024-01-01 2024-01-31 IBM 2024-01 1',
      '2024-03-01 2024-03-31 IBM 2024-03 1',
      '2024-04-01 2024-04-30 IBM 2024-04 1',
      '2025-01-01 2025-01-30 IBM 2025-01 1',
      '2024-02-01 2024-02-29 AAPL 2024-02 1',
    ])
    expect(await periods('quarter')).toStrictEqual([
      '2023-12-29 2023-12-31 IBM 2023-Q4 1',
      '2024-01-01 2024-03-31 IBM 2024-Q1 2',
      '2024-04-01 2024-06-30 IBM 2024-Q2 1',
      '2025-01-01 2025-01-30 IBM 2025-Q1 1',
      '2024-01-01 2024-03-31 AAPL 2024-Q1 1',
    ])
    expect(await periods('year')).toStrictEqual([
      '2023-12-29 2023-12-31 IBM 2023 1',
      '2024-01-01 2024-12-31 IBM 2024 3',
      '2025-01-01 2025-01-30 IBM 2025 1',
      '2024-01-01 2024-12-31 AAPL 2024 1',
    ])
  })

  test('by period are none for a known symbol without days, and the calendar ends in order', async () => {
    await store('IBM', bar('0001-01-01'), bar('9999-12-31'))
    const whole = { startDate: '0001-01-01', endDate: '9999-12-31', groupBy: 'month' } as const
    expect((await read(whole)).entries).toMatchObject([
      { period: '0001-01', start_date: '0001-01-01', end_date: '0001-01-31', number_of_days: 1 },
      { period: '9999-12', start_date: '9999-12-01', end_date: '9999-12-31', number_of_days: 1 },
    ])
    expect(await read({ groupBy: 'month' })).toMatchObject({ entries: [], unknown: [] })
  })
})

/** The prices in order, with equal ones side by side. */
function equalPrices(prices: string[]): string[][] {
  const groups = new Map<bigint, string[]>()
  for (const price of prices) groups.set(scaled(price), [...(groups.get(scaled(price)) ?? []), price])
  return [...groups].toSorted(([a], [b]) => Number(a - b)).map(([, group]) => group)
}

function flat(price: string) {
  return { open: price, high: price, low: price, close: price }
}
