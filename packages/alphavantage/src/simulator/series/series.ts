import type { FetchedOutputsize } from '@stockpile/domain/run'
import { countTradingDays, FIRST_DAY, tradingDaysThrough } from './sessions.js'

/** A date and its values as text, in the order of the function's columns; a value that is undefined is left out. */
export type Row = readonly [date: string, ...values: (string | undefined)[]]

/** A series as the provider serves it: newest row first. */
export interface Series {
  symbol: string
  /** A date; with a time of day when the session of the newest row is still open. */
  lastRefreshed: string
  outputsize: FetchedOutputsize
  rows: readonly Row[]
}

export const COMPACT_ROWS = 100

const SPLIT_FACTORS = [2, 3, 4, 5, 10, 20, 25] as const
const LEAST_PRICE = 5_000 // ten-thousandths: 0.5000
const GREATEST_PRICE = 99_999_999 // 9999.9999: a price fits an int32 as ten-thousandths
const HUGE_VOLUME = 2 ** 31
const FRACTIONS = Array.from({ length: 10_000 }, (_, part) => `.${String(part).padStart(4, '0')}`)

/**
 * The scale of symbols that people know: about the close of the last years, in dollars, and the shares traded a day. Everything
 * else of these series is made up, as that of any other symbol is.
 */
const SCALES: ReadonlyMap<string, { close: number; volume: number }> = new Map([
  ['AAPL', { close: 230, volume: 55_000_000 }],
  ['AMZN', { close: 200, volume: 42_000_000 }],
  ['GOOG', { close: 180, volume: 20_000_000 }],
  ['GOOGL', { close: 180, volume: 30_000_000 }],
  ['IBM', { close: 240, volume: 4_500_000 }],
  ['META', { close: 600, volume: 14_000_000 }],
  ['MSFT', { close: 450, volume: 22_000_000 }],
  ['NVDA', { close: 150, volume: 200_000_000 }],
  ['TSLA', { close: 300, volume: 95_000_000 }],
])
/** About how many times its anchor a walk of 27 years ends at. */
const GROWTH = 1.5
/** The mean volume of a day as a multiple of the usual volume. */
const MEAN_BUSY = 1.2

/** Hashes a text by FNV-1a to 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  return value >>> 0
}

/** Makes a generator (mulberry32) of numbers uniform in [0, 1), equal on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function price(tenThousandths: number): string {
  const whole = Math.floor(tenThousandths / 10_000)
  return `${whole}${FRACTIONS[tenThousandths - whole * 10_000]}`
}

function bounded(value: number): number {
  return Math.round(Math.min(GREATEST_PRICE, Math.max(LEAST_PRICE, value)))
}

/** Tells when a symbol splits and by which factor; undefined when it does not. One symbol in four splits, between 2004 and 2023. */
export function splitOf(symbol: string): { date: string; factor: number } | undefined {
  const seed = hash(`split of ${symbol}`)
  const date = tradingDaysThrough(2023)[1_050 + ((seed >>> 8) % 4_900)]
  const factor = SPLIT_FACTORS[(seed >>> 3) % SPLIT_FACTORS.length]
  return seed % 4 === 0 && date !== undefined && factor !== undefined ? { date, factor } : undefined
}

/**
 * Makes the synthetic daily prices of a symbol for the trading days from `first` to `last` (ISO dates, inclusive), newest
 * first. The walk always starts on FIRST_DAY, so that the row of a date does not depend on the range.
 */
export function syntheticRows(symbol: string, first: string, last: string): Row[] {
  const random = randomFrom(hash(symbol))
  const split = splitOf(symbol)
  const days = tradingDaysThrough(Number(last.slice(0, 4)))
  const end = countTradingDays(last)
  const rows: Row[] = []

  const scale = SCALES.get(symbol)
  const hashedVolume = 10_000 * 2 ** (random() * 14)
  const usualVolume = scale === undefined ? hashedVolume : scale.volume / MEAN_BUSY
  const volatility = 0.006 + random() * 0.02
  const hashedAnchor = 100_000 * 2 ** (random() * 4)
  const level = scale === undefined ? hashedAnchor : (scale.close * 10_000) / GROWTH
  let anchor = level * (split?.factor ?? 1)
  let close = bounded(anchor)
  for (let index = 0; index < end; index += 1) {
    const date = days[index] ?? FIRST_DAY
    if (date === split?.date) {
      anchor /= split.factor
      close = bounded(close / split.factor)
    }
    // The pull towards the anchor keeps a walk of decades within the bounds without flattening it.
    const drift = 0.0002 + 0.002 * (1 - close / anchor)
    const gap = (random() - 0.5) * volatility
    const move = (random() + random() + random() - 1.5) * volatility + drift
    const upperWick = random() * volatility * 0.5
    const lowerWick = random() * volatility * 0.5
    const busy = random()
    const open = bounded(close * (1 + gap))
    close = bounded(open * (1 + move))
    anchor *= 1.00005
    if (date < first) continue
    const high = bounded(Math.max(open, close) * (1 + upperWick))
    const low = bounded(Math.min(open, close) * (1 - lowerWick))
    const volume = Math.floor(usualVolume * (0.4 + 1.6 * busy)) + (busy > 0.997 ? HUGE_VOLUME : 0)
    rows.push([date, price(open), price(high), price(low), price(close), String(volume)])
  }
  return rows.toReversed()
}

/**
 * Makes the series that TIME_SERIES_DAILY is answered with as of `lastDate`, the newest completed session: the newest 100 rows,
 * or all of the last `years` years.
 */
export function syntheticSeries(
  symbol: string,
  outputsize: FetchedOutputsize,
  lastDate: string,
  years: number,
): Series {
  const start = `${Number(lastDate.slice(0, 4)) - years}${lastDate.slice(4)}`
  const days = tradingDaysThrough(Number(lastDate.slice(0, 4)))
  const compactStart = days[Math.max(0, countTradingDays(lastDate) - COMPACT_ROWS)] ?? FIRST_DAY
  const first = outputsize === 'compact' && compactStart > start ? compactStart : start
  return { symbol, lastRefreshed: lastDate, outputsize, rows: syntheticRows(symbol, first, lastDate) }
}
