import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { byteCache } from './byte-cache.js'
import { SERIES_FUNCTIONS, type SeriesFunction } from './functions.js'
import type { Query } from '../query.js'
import { COMPACT_ROWS, type Row, type Series } from './series.js'
import { CACHE_LIMIT_BYTES, render, type Source } from './source.js'

/** Matches the file name of a recording: `daily_compact_AAPL_2026-04-08.json`. A note may follow the date; odd symbols are percent-encoded. */
const FILE_NAME =
  /^(?<fn>(?:daily|weekly|monthly)(?:_adjusted)?)_(?<size>compact|full)_(?<symbol>[^_]+)_(?<date>\d{4}-\d{2}-\d{2})(?:_.*)?\.(?<datatype>json|csv)$/

interface Recording {
  fn: SeriesFunction
  date: string
  datatype: Query['datatype']
  series: Series
  /** The body as recorded; in CSV the CRLF that git took out are put back. */
  bytes: Buffer
}

const fieldsSchema = z.record(z.string(), z.string())
const bodySchema = z.record(z.string(), z.record(z.string(), z.union([z.string(), fieldsSchema])))

function parseJson(text: string, fn: SeriesFunction): Pick<Series, 'rows'> & { lastRefreshed?: string } {
  const body = bodySchema.parse(JSON.parse(text))
  const names = fn.columns.map((column, index) => `${index + 1}. ${column.replaceAll('_', ' ')}`)
  const rows = Object.entries(body[fn.seriesKey] ?? {}).map(([date, value]): Row => {
    const fields = fieldsSchema.parse(value)
    return [date, ...names.map((name) => fields[name])]
  })
  const lastRefreshed = body['Meta Data']?.['3. Last Refreshed']
  return { rows, ...(typeof lastRefreshed === 'string' ? { lastRefreshed } : {}) }
}

function parseCsv(text: string, fn: SeriesFunction): Pick<Series, 'rows'> {
  const [header, ...lines] = text.trimEnd().split(/\r?\n/)
  const wanted = `timestamp,${fn.columns.join(',')}`
  if (header !== wanted) throw new Error(`its first line is not ${wanted}`)
  return {
    rows: lines.map((line): Row => {
      const [date = '', ...values] = line.split(',')
      return [date, ...values]
    }),
  }
}

async function readRecording(directory: string, name: string): Promise<Recording | undefined> {
  const { fn: recordedAs, size, symbol, date = '', datatype } = FILE_NAME.exec(name)?.groups ?? {}
  const fn = [...SERIES_FUNCTIONS.values()].find((known) => known.recordedAs === recordedAs)
  if (fn === undefined || symbol === undefined) return undefined
  const text = await readFile(join(directory, name), 'utf8')
  const parsed = parseRecording(name, () => (datatype === 'csv' ? parseCsv(text, fn) : parseJson(text, fn)))
  return {
    fn,
    date,
    datatype: datatype === 'csv' ? 'csv' : 'json',
    series: {
      symbol: decodeURIComponent(symbol).toUpperCase(),
      lastRefreshed: parsed.rows[0]?.[0] ?? date,
      outputsize: size === 'full' ? 'full' : 'compact',
      ...parsed,
    },
    bytes: Buffer.from(datatype === 'csv' ? text.replace(/\r?\n/g, '\r\n') : text),
  }
}

function parseRecording<T>(name: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new Error(
      `The recording ${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
}

function isCut({ fn, series }: Recording, query: Query): boolean {
  return fn.hasOutputsize && query.outputsize === 'compact' && series.rows.length > COMPACT_ROWS
}

function seriesOf(recording: Recording, query: Query): Series {
  const { series } = recording
  return isCut(recording, query)
    ? { ...series, outputsize: 'compact', rows: series.rows.slice(0, COMPACT_ROWS) }
    : series
}

/**
 * Serves the recordings of a folder by function and symbol: byte for byte in the datatype of the recording, digit for digit in
 * the other. Files with other names are ignored. When the outputsize asked for was not recorded the other one is served (a
 * full recording cut to 100 rows). Of several recordings the one with the latest date in its name is served.
 * @throws Error that names the file when a recording cannot be parsed, and when there is no recording
 */
export async function replaySource(directory: string): Promise<Source> {
  const names = (await readdir(directory)).toSorted()
  const read = await Promise.all(names.map((name) => readRecording(directory, name)))
  const recordings = read
    .filter((recording) => recording !== undefined)
    .toSorted((a, b) => (a.date < b.date ? 1 : a.date > b.date ? -1 : 0))
  if (recordings.length === 0) {
    throw new Error(`${directory} holds no recording named like daily_compact_IBM_2026-05-15.json or .csv.`)
  }
  const cached = byteCache(CACHE_LIMIT_BYTES)

  const find = (query: Query, datatype: Query['datatype']): Recording | undefined => {
    const fn = SERIES_FUNCTIONS.get(query.function)
    const candidates = recordings.filter(({ fn: of, series }) => of === fn && series.symbol === query.symbol)
    const sized = candidates.filter(
      ({ series }) => !fn?.hasOutputsize || series.outputsize === query.outputsize,
    )
    const pool = sized.length > 0 ? sized : candidates
    const newest = pool.filter(({ date }) => date === pool[0]?.date)
    return newest.find((recording) => recording.datatype === datatype) ?? newest[0]
  }

  return {
    functionNamed: (name) => SERIES_FUNCTIONS.get(name),
    series: (query) => {
      const recording = find(query, 'json')
      return recording && seriesOf(recording, query)
    },
    body: (query) => {
      const recording = find(query, query.datatype)
      if (recording === undefined) return undefined
      if (recording.datatype === query.datatype && !isCut(recording, query)) return recording.bytes
      const key = [query.function, query.symbol, query.outputsize, query.datatype].join(' ')
      return cached(key, () => render(recording.fn, seriesOf(recording, query), query.datatype))
    },
  }
}
