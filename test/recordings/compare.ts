import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import * as z from 'zod'
import { startProgram } from '../servers/programs.js'

/** The symbol, date, open, high, low, close and volume of a row, each as text. */
type Row = readonly string[]

/** What came of one recording. */
export interface Comparison {
  symbol: string
  file: string
  rows: number
  /** One sentence for each row that the API serves otherwise, lacks or has in addition; empty when it serves the recording. */
  differences: string[]
  /** Rows that the second fetch of the recording found unchanged. */
  unchanged: number
  /** Rows that the second fetch wrote again, which is a defect. */
  rewritten: number
}

const DEADLINE_MS = 60_000

/**
 * Fetches recorded daily series through simulator, worker and database, and compares what the API serves digit by digit; then
 * fetches them again, which must write nothing. Recordings are parsed here without the client, which would judge itself.
 * @param folder has files such as `daily_compact_IBM_2026-05-17.csv` (or .json)
 * @param databaseUrl leads to a migrated, empty database
 */
export async function compareRecordings(folder: string, databaseUrl: string): Promise<Comparison[]> {
  const files = (await readdir(folder)).flatMap((file) => {
    const symbol = /^daily_(?:compact|full)_([^_]+)_.*\.(?:json|csv)$/.exec(file)?.[1]
    return symbol === undefined ? [] : [{ file, symbol: decodeURIComponent(symbol) }]
  })
  if (files.length === 0)
    throw new Error(`${folder} holds no recording named daily_compact_SYMBOL_*.json or .csv`)
  const simulator = await startProgram('simulator', { args: ['--replay', folder] })
  const worker = startProgram('worker', {
    env: {
      DATABASE_URL: databaseUrl,
      ALPHAVANTAGE_API_KEY: 'recordings',
      ALPHAVANTAGE_BASE_URL: simulator.url,
      ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
      SYMBOLS: '',
    },
  })
  const api = startProgram('api', { env: { DATABASE_URL: databaseUrl, PORT: '0' } })
  const sql = postgres(databaseUrl, { max: 1 })
  try {
    await worker
    const { url } = await api
    const symbols = files.map((one) => one.symbol)
    await ingest(url, symbols)
    const before = await versions(sql)
    const items = await ingest(url, symbols)
    const after = await versions(sql)
    return await Promise.all(
      files.map(async ({ file, symbol }) => {
        const recorded = parseRecording(symbol, file, await readFile(join(folder, file), 'utf8'))
        const served = await readAll(url, symbol)
        const rewritten = [...after].filter(
          ([key, version]) => key.startsWith(`${symbol} `) && before.get(key) !== version,
        ).length
        return {
          symbol,
          file,
          rows: recorded.length,
          differences: differences(recorded, served),
          unchanged: items.get(symbol)?.unchanged ?? 0,
          rewritten,
        }
      }),
    )
  } finally {
    await sql.end()
    for (const program of await Promise.allSettled([worker, api]))
      if (program.status === 'fulfilled') await program.value.stop()
    await simulator.stop()
  }
}

async function get<T>(url: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${await response.text()}`)
  return schema.parse(await response.json())
}

const runSchema = z.object({ data: z.object({ status: z.string(), finished_at: z.string().nullable() }) })
const itemsSchema = z.object({
  data: z.array(
    z.object({ symbol: z.string(), error: z.unknown(), rows: z.object({ unchanged: z.number() }) }),
  ),
})
const pageSchema = z.object({ data: z.array(z.record(z.string(), z.string())) })
const recordingSchema = z.object({
  'Time Series (Daily)': z.record(z.string(), z.record(z.string(), z.string())),
})

/** Posts a forced run, waits for its end, and returns the counts of rows by symbol. */
async function ingest(url: string, symbols: string[]): Promise<Map<string, { unchanged: number }>> {
  const accepted = await fetch(`${url}/api/ingest`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ symbols, outputsize: 'full', force: true }),
  })
  if (accepted.status !== 202)
    throw new Error(`POST /api/ingest: ${accepted.status} ${await accepted.text()}`)
  const run = `${url}${accepted.headers.get('location') ?? ''}`
  const status = await waitFor(
    async () => {
      const { data } = await get(run, runSchema)
      return data.finished_at === null ? undefined : data.status
    },
    { deadlineMs: DEADLINE_MS, what: 'the run' },
  )
  const { data } = await get(`${run}/items?limit=1000`, itemsSchema)
  if (status !== 'succeeded') {
    throw new Error(`the run ended ${status}: ${JSON.stringify(data.map((item) => item.error))}`)
  }
  return new Map(data.map((item) => [item.symbol, item.rows]))
}

/** Returns the place and the writing transaction of every row, both of which change when a row is written again. */
async function versions(sql: postgres.Sql): Promise<Map<string, string>> {
  const rows = await sql<{ key: string; version: string }[]>`
    SELECT symbol || ' ' || date AS key, ctid::text || ' ' || xmin::text AS version FROM financial_data`
  return new Map(rows.map((row) => [row.key, row.version]))
}

async function readAll(url: string, symbol: string): Promise<Row[]> {
  const rows: Row[] = []
  for (let page = 1; ; page += 1) {
    const query = `symbol=${encodeURIComponent(symbol)}&limit=1000&page=${page}`
    const { data } = await get(`${url}/api/financial_data?${query}`, pageSchema)
    if (data.length === 0) return rows
    const fields = ['symbol', 'date', 'open_price', 'high_price', 'low_price', 'close_price', 'volume']
    rows.push(...data.map((row) => fields.map((field) => row[field] ?? '(missing)')))
  }
}

function parseRecording(symbol: string, file: string, text: string): Row[] {
  if (file.endsWith('.csv')) {
    const [header, ...lines] = text.trim().split(/\r?\n/)
    if (header !== 'timestamp,open,high,low,close,volume')
      throw new Error(`${file}: not a daily series: ${header ?? ''}`)
    return lines.map((line) => [symbol, ...line.split(',')]).toSorted(byDate)
  }
  const fields = ['1. open', '2. high', '3. low', '4. close', '5. volume']
  return Object.entries(recordingSchema.parse(JSON.parse(text))['Time Series (Daily)'])
    .map(([date, row]) => [symbol, date, ...fields.map((field) => row[field] ?? '(missing)')])
    .toSorted(byDate)
}

function byDate(a: Row, b: Row): number {
  return (a[1] ?? '') < (b[1] ?? '') ? -1 : 1
}

function differences(recorded: Row[], served: Row[]): string[] {
  const byKey = new Map(served.map((row) => [row[1], row.join(' ')]))
  const wrong = recorded.flatMap((row) => {
    const other = byKey.get(row[1])
    byKey.delete(row[1])
    return other === row.join(' ') ? [] : [`recorded ${row.join(' ')}, served ${other ?? 'nothing'}`]
  })
  return [...wrong, ...[...byKey.values()].map((row) => `served ${row}, recorded nothing`)]
}
