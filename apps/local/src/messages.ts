import { isAbsolute, relative } from 'node:path'
import { parseDatabaseUrl } from '@stockpile/db/database-url'
import type { Stored } from './api.js'
import type { Config } from './config.js'
import type { Line, Span } from './paint.js'
import { thousands } from './progress.js'

const FREE_KEY = 'https://www.alphavantage.co/support/#api-key'
const LABEL_WIDTH = 12
const ADDRESS = { style: 'cyan', whole: true } as const
const COMMAND = { whole: true } as const
/** Fits into a narrow terminal: a coloured line that is broken there has ragged ends. */
const ALARM_WIDTH = 59

/** What nobody may overlook: these are not the market's prices. */
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

/** Where everything lives. */
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
        ? `database ${name} of the embedded PostgreSQL in ${shortPath(config.home)}`
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
        ? `the simulator, with the limits of plan ${config.plan}`
        : `${config.baseUrl ?? 'Alpha Vantage'}, plan ${config.plan}`,
    ),
  ]
}

/** What an earlier start left, or undefined when that is nothing. */
export function storedText(
  stored: readonly Pick<Stored, 'symbol' | 'rows'>[],
  more: number,
): string | undefined {
  if (stored.length === 0) return undefined
  const parts = stored.map(
    ({ symbol, rows }) => `${symbol} ${thousands(rows)} ${rows === 1 ? 'row' : 'rows'}`,
  )
  return `already here: ${parts.join(', ')}${more > 0 ? `, and up to ${thousands(more)} symbols more` : ''}`
}

/** The addresses worth opening. */
export function addressLines(
  url: string,
  options: {
    config: Config
    databaseUrl: string
    /** Of the first symbol; undefined while nothing is stored. */
    example: Stored | undefined
    /** Of the embedded server. */
    passwordFile: string | undefined
    windows: boolean
  },
): Line[] {
  const { config, example } = options
  const at = (path: string) => new URL(path, url).href
  // The newest first: without an order the page begins with the oldest rows.
  const query = new URLSearchParams({
    ...(example === undefined ? {} : { symbol: example.symbol }),
    order: 'desc',
  })
  const range =
    example === undefined
      ? undefined
      : new URLSearchParams({
          symbol: example.symbol,
          start_date: monthBefore(example),
          end_date: example.lastDate,
        })
  return [
    [{ text: `Stockpile serves at ${url}`, style: 'bold' }],
    labelled('prices', at(`/api/financial_data?${query.toString()}`), ADDRESS),
    ...(range === undefined
      ? []
      : [labelled('statistics', at(`/api/statistics?${range.toString()}`), ADDRESS)]),
    labelled('runs', at('/api/ingest'), ADDRESS),
    labelled('failures', at('/api/failures'), ADDRESS),
    labelled('quota', at('/api/quota'), ADDRESS),
    labelled('queue', at('/queues'), ADDRESS),
    labelled('API', at('/docs'), ADDRESS),
    labelled(
      'fetch more',
      `curl -X POST ${at('/api/ingest')} -H 'content-type: application/json' -d '{"symbols":["MSFT"]}'`,
      COMMAND,
    ),
    labelled('SQL', sqlHint(options), COMMAND),
    labelled('logs', shortPath(`${config.home}/logs`)),
    [{ text: 'Ctrl-C stops everything; npm start goes on from there.', style: 'bold' }],
  ]
}

/** How to open psql, without the password on the screen. */
function sqlHint(options: {
  databaseUrl: string
  passwordFile: string | undefined
  windows: boolean
}): string {
  const { host, port, user, database: name } = parseDatabaseUrl(options.databaseUrl)
  if (options.passwordFile === undefined) return `database ${name} at ${host}:${port}`
  const file = shortPath(options.passwordFile)
  return options.windows
    ? `psql -h ${host} -p ${port} -U ${user} ${name} (the password is in ${file})`
    : `PGPASSWORD=$(cat ${quoted(file)}) psql -h ${host} -p ${port} -U ${user} ${name}`
}

function labelled(label: string, text: string, look: Pick<Span, 'style' | 'whole'> = {}): Line {
  return [
    { text: `  ${label.padEnd(LABEL_WIDTH)}`, style: 'dim' },
    { text, hang: true, ...look },
  ]
}

/** The last 31 days of what is stored. */
function monthBefore({ firstDate, lastDate }: Stored): string {
  const date = new Date(`${lastDate}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() - 30)
  const month = date.toISOString().slice(0, 10)
  return month > firstDate ? month : firstDate
}

export function databaseName(databaseUrl: string): string {
  return parseDatabaseUrl(databaseUrl).database
}

/** As one would type it here. */
function shortPath(path: string): string {
  const short = relative('', path)
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short
}

function quoted(file: string): string {
  return /^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", String.raw`'\''`)}'`
}
