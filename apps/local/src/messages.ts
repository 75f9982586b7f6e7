import { isAbsolute, relative } from 'node:path'
import { allowsFullHistory } from '@stockpile/alphavantage/plan'
import { parseDatabaseUrl } from '@stockpile/db/database-url'
import type { StoredSummary } from '@stockpile/db/stored-summary'
import type { Unfinished } from '@stockpile/db/run-items'
import type { Stored } from './progress/api.js'
import type { Config } from './settings/config.js'
import type { Line, Span } from './terminal/paint.js'
import { counted, thousands } from './terminal/figures.js'

const FREE_KEY = 'https://www.alphavantage.co/support/#api-key'
const LABEL_WIDTH = 12
const ADDRESS = { style: 'cyan', whole: true } as const
const PORT_HINT = '(that port is kept while it is free; POSTGRES_PORT sets it)'
/** Columns of the banner, which fit into a narrow terminal: a coloured line that is broken there has ragged ends. */
const ALARM_WIDTH = 59

/** The banner that nobody may overlook: the prices are not the market's. */
export function simulatedBanner(databaseUrl: string): Line[] {
  return [
    'SYNTHETIC DATA: there is no API key, so a simulator',
    'answers in place of Alpha Vantage. Its made-up prices',
    `stay in a database of their own: ${databaseName(databaseUrl)}.`,
    'For real prices get a free key at',
    FREE_KEY,
    'and start with ALPHAVANTAGE_API_KEY=your-key npm start',
  ].map((text): Line => [{ text: `!! ${text}`.padEnd(ALARM_WIDTH), style: 'alarm' }])
}

/** Where the data, the queue and the provider are. */
export function partsLines(
  config: Config,
  { databaseUrl, embedded }: { databaseUrl: string; embedded: boolean },
): Line[] {
  const { database: name, host, port } = parseDatabaseUrl(databaseUrl)
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return [
    labelled(
      'data',
      embedded
        ? `database ${name} of the PostgreSQL in ${shortPath(config.home)}`
        : `database ${name} of the PostgreSQL at ${where} (DATABASE_URL); none is started here`,
    ),
    labelled(
      'queue',
      config.redisUrl === undefined
        ? 'in the same PostgreSQL (set REDIS_URL for Redis)'
        : `in the Redis at ${new URL(config.redisUrl).host}`,
    ),
    labelled(
      'provider',
      config.simulated
        ? `the simulator, as on plan ${config.plan}${historyText(config)}`
        : `${config.baseUrl ?? 'Alpha Vantage'}, plan ${config.plan}${historyText(config)}`,
    ),
  ]
}

/** How much of a symbol's history the plan serves, where that is not all. */
function historyText({ plan }: Config): string {
  return allowsFullHistory(plan) ? '' : ': the newest 100 rows of a symbol'
}

/** What earlier starts stored; undefined when nothing is stored. */
export function storedText({ symbols, rows, newest }: StoredSummary): string | undefined {
  if (symbols === 0) return undefined
  const named = newest.map((one) => `${one.symbol} ${counted(one.rows, 'row')}`)
  const more = symbols - newest.length
  const list = [...named, ...(more > 0 ? [`${thousands(more)} more`] : [])].join(', ')
  return `already here: ${counted(symbols, 'symbol')}, ${counted(rows, 'row')}; newest first: ${list}`
}

/** The runs of earlier starts that go on; undefined when all are finished. */
export function goingOnText({ runs, items }: Unfinished): string | undefined {
  if (runs === 0) return undefined
  return `${counted(runs, 'run')} ${runs === 1 ? 'goes' : 'go'} on from the last start, with ${counted(items, 'symbol')} to fetch`
}

/** The runs that go on at the next start; undefined when all are finished. */
export function leftText({ runs }: Unfinished): string | undefined {
  if (runs === 0) return undefined
  return runs === 1
    ? '1 run is unfinished; it goes on at the next npm start.'
    : `${thousands(runs)} runs are unfinished; they go on at the next npm start.`
}

/** The addresses and commands that a person may want to try. */
export function addressLines(
  url: string,
  options: {
    config: Config
    databaseUrl: string
    /** The symbol of the examples; undefined while nothing is stored. */
    example: Stored | undefined
    /** The file with the password of the embedded server; undefined for a server of DATABASE_URL. */
    passwordFile: string | undefined
    /** Whether the embedded server has another port than at the last start. */
    isNewPort: boolean
    windows: boolean
  },
): Line[] {
  const { config, example, windows } = options
  const at = (path: string) => new URL(path, url).href
  // Without an order the page begins with the oldest rows.
  const query = new URLSearchParams({
    ...(example === undefined ? {} : { symbol: example.symbol }),
    order: 'desc',
  })
  return [
    [{ text: `Stockpile serves at ${url}`, style: 'bold' }],
    labelled('prices', at(`/api/financial_data?${query.toString()}`), ADDRESS),
    ...(example === undefined
      ? []
      : command('statistics', statisticsCommand(at('/api/statistics'), example), windows)),
    labelled('runs', at('/api/ingest'), ADDRESS),
    labelled('failures', at('/api/failures'), ADDRESS),
    labelled('quota', at('/api/quota'), ADDRESS),
    labelled('queue', at('/queues'), ADDRESS),
    labelled('API', at('/docs'), ADDRESS),
    ...command(
      'fetch more',
      [`curl ${at('/api/ingest')}`, `-H content-type:application/json -d '{"symbols":["MSFT"]}'`],
      windows,
    ),
    ...command('SQL', sqlHint(options), windows),
    ...(options.isNewPort ? [labelled('', PORT_HINT)] : []),
    labelled('logs', shortPath(`${config.home}/logs`)),
    [{ text: 'Ctrl-C stops everything; npm start goes on from there.', style: 'bold' }],
  ]
}

/** The parts of a command that asks for statistics: as an address it would be wider than a terminal. */
function statisticsCommand(url: string, { symbol, firstDate, lastDate }: Stored): string[] {
  const month = monthBefore({ firstDate, lastDate })
  return [
    `curl -G ${url}`,
    `-d ${quoted(`symbol=${encodeURIComponent(symbol)}`)} -d start_date=${month} -d end_date=${lastDate}`,
  ]
}

/** The parts of a command that opens psql, without the password on the screen. */
function sqlHint(options: {
  databaseUrl: string
  passwordFile: string | undefined
  windows: boolean
}): string[] {
  const { host, port, user, database: name } = parseDatabaseUrl(options.databaseUrl)
  if (options.passwordFile === undefined) return [`database ${name} at ${host}:${port}`]
  const file = shortPath(options.passwordFile)
  return options.windows
    ? [`psql -h ${host} -p ${port} -U ${user} ${name}`, `(the password is in ${file})`]
    : [`PGPASSWORD=$(cat ${quoted(file)})`, `psql -h ${host} -p ${port} -U ${user} ${name}`]
}

function labelled(label: string, text: string, look: Pick<Span, 'style' | 'whole'> = {}): Line {
  return [
    { text: `  ${label.padEnd(LABEL_WIDTH)}`, style: 'dim' },
    { text, hang: true, ...look },
  ]
}

/** A labelled command, a line for each part, which a shell joins. Windows has another sign for that: there it is one line. */
function command(label: string, parts: readonly string[], windows: boolean): Line[] {
  const look = { whole: true } as const
  if (windows) return [labelled(label, parts.join(' '), look)]
  return parts.map((part, index) =>
    labelled(index === 0 ? label : '', index < parts.length - 1 ? `${part} \\` : part, look),
  )
}

/** The date 30 days before the last stored one, but not before the first. */
function monthBefore({ firstDate, lastDate }: Pick<Stored, 'firstDate' | 'lastDate'>): string {
  const date = new Date(`${lastDate}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() - 30)
  const month = date.toISOString().slice(0, 10)
  return month > firstDate ? month : firstDate
}

export function databaseName(databaseUrl: string): string {
  return parseDatabaseUrl(databaseUrl).database
}

/** The path as one would type it in the working directory. */
function shortPath(path: string): string {
  const short = relative('', path)
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short
}

function quoted(word: string): string {
  return /^[\w./=%-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
