import { byteCache } from './byte-cache.js'
import { lastCompletedSession } from './calendar.js'
import { DAILY, type SeriesFunction } from './functions.js'
import type { Query } from './query.js'
import { type Series, syntheticSeries } from './series.js'
import { seriesCsv, seriesJson } from './wire.js'

/** Where the answers come from: made up, or recorded. */
export interface Source {
  /** How the function is worded, or undefined when this source does not know it. */
  functionNamed(name: string): SeriesFunction | undefined
  /** The series asked for, or undefined for a symbol that does not exist. */
  series(query: Query): Series | undefined
  /** The same as the bytes of a reply, kept for the next time. */
  body(query: Query): Buffer | undefined
}

export const CACHE_LIMIT_BYTES = 256 * 1024 * 1024

/** Symbols that the synthetic provider does not have: tests need names that are wrong for everyone to see. */
function isInvalidSymbol(symbol: string): boolean {
  return symbol === '' || symbol.startsWith('INVALID') || symbol.includes('NOSUCH')
}

export function render(fn: SeriesFunction, series: Series, datatype: Query['datatype']): Buffer {
  return datatype === 'csv' ? seriesCsv(fn, series) : seriesJson(fn, series)
}

/** Synthetic TIME_SERIES_DAILY for every symbol that is not an invalid one, up to the last session closed at `now()`. */
export function syntheticSource(options: { now: () => Date; years: number }): Source {
  const cached = byteCache(CACHE_LIMIT_BYTES)

  const seriesUntil = ({ symbol, outputsize }: Query, last: string) =>
    syntheticSeries(symbol, outputsize, last, options.years)
  const lastDateFor = (query: Query) =>
    query.function === 'TIME_SERIES_DAILY' && !isInvalidSymbol(query.symbol)
      ? lastCompletedSession(options.now())
      : undefined

  return {
    functionNamed: (name) => (name === 'TIME_SERIES_DAILY' ? DAILY : undefined),
    series: (query) => {
      const last = lastDateFor(query)
      return last === undefined ? undefined : seriesUntil(query, last)
    },
    body: (query) => {
      const last = lastDateFor(query)
      if (last === undefined) return undefined
      const key = `${last} ${query.outputsize} ${query.datatype} ${query.symbol}`
      return cached(key, () => render(DAILY, seriesUntil(query, last), query.datatype))
    },
  }
}
