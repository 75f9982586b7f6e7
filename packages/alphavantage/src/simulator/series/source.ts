import { byteCache } from './byte-cache.js'
import { lastCompletedSession } from './sessions.js'
import { DAILY, type SeriesFunction } from './functions.js'
import type { Query } from '../query.js'
import { type Series, syntheticSeries } from './series.js'
import { seriesCsv, seriesJson } from './wire.js'

/** Where the series of the answers come from: made up, or recorded. */
export interface Source {
  /** The function of this name; undefined when this source has none. */
  functionNamed(name: string): SeriesFunction | undefined
  /** The series asked for; undefined for a symbol that does not exist. */
  series(query: Query): Series | undefined
  /** The series asked for as the bytes of a reply, which are cached; undefined for a symbol that does not exist. */
  body(query: Query): Buffer | undefined
}

export const CACHE_LIMIT_BYTES = 256 * 1024 * 1024

/** Whether the synthetic provider lacks a symbol: tests need symbols whose names show that they do not exist. */
function isInvalidSymbol(symbol: string): boolean {
  return symbol === '' || symbol.startsWith('INVALID') || symbol.includes('NOSUCH')
}

export function render(fn: SeriesFunction, series: Series, datatype: Query['datatype']): Buffer {
  return datatype === 'csv' ? seriesCsv(fn, series) : seriesJson(fn, series)
}

/** Makes TIME_SERIES_DAILY of every symbol but the invalid ones, up to the last session that has closed at `now()`. */
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
