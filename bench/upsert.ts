import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { packBars } from '@stockpile/db/bars'
import { connect } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { AVERAGES, readStatistics } from '@stockpile/db/statistics'
import { upsertBars } from '@stockpile/db/upsert'
import type { Bar } from '@stockpile/domain/bar'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import postgres from 'postgres'
import { describeMachine } from './figures/machine.js'
import { markdownTable, summarize, withSpread } from './figures/summary.js'
import { startPrices, tickersOf, tradingDays } from './large-table/prices.js'

const SYMBOLS = 20
const DAYS = 5_000
/** Upserts of one row each, after the first upsert of a symbol. */
const APPENDS = 10
/** Reads of each symbol's statistics, after everything is written. */
const READS = 5
const AS_IT_IS = 'as it is'
const VARIANTS: Record<string, string> = {
  [AS_IT_IS]: '',
  'without symbol_days': await functionBefore('0004_data_api.sql', 'count_financial_data'),
  'no triggers': 'ALTER TABLE financial_data DISABLE TRIGGER USER',
  'primary key without INCLUDE':
    'ALTER TABLE financial_data DROP CONSTRAINT financial_data_pkey, ADD PRIMARY KEY (symbol, date)',
  'volume as bigint':
    'ALTER TABLE financial_data DROP CONSTRAINT financial_data_volume, ALTER COLUMN volume TYPE bigint, ADD CONSTRAINT financial_data_volume CHECK (volume >= 0)',
}

interface Contestant {
  name: string
  connection: Connection
  sql: postgres.Sql
  /** The milliseconds that the current round has taken so far, in all: first upserts, appends and reads. */
  first: number
  appends: number
  reads: number
}
type Part = 'first' | 'appends' | 'reads'
type Times = Pick<Contestant, Part>

/**
 * `pnpm bench upsert`: what fast reads cost writes, and what fractions of volumes cost both. Compares the upsert as it is with one
 * without the days of symbols, without any trigger, without the columns in the primary key, and with whole volumes.
 */
export async function benchUpsert({ rounds }: { rounds: number }): Promise<void> {
  const server = await startTemporaryPostgres({
    shared_buffers: '1GB',
    max_wal_size: '8GB',
    autovacuum: 'off',
  })
  const series = allBars()
  console.log(
    `${SYMBOLS} symbols × ${DAYS} rows, then ${APPENDS} × 1 row each; ${rounds} rounds, symbol by symbol in turn; ${describeMachine()}`,
  )
  const totals = new Map<string, Times[]>()
  try {
    for (let round = 0; round <= rounds; round += 1) {
      const contestants: Contestant[] = []
      for (const [name, change] of Object.entries(VARIANTS)) {
        contestants.push(
          await connectTo(name, await server.createDatabase(`upsert_${contestants.length}`), change),
        )
      }
      for (const write of [writeFirst, append]) {
        for (const [symbol, bars] of series) {
          for (const contestant of contestants) await write(contestant, symbol, bars)
          // The order rotates, so that no contestant always follows the same one, whose pages are still being written.
          contestants.push(...contestants.splice(0, 1))
        }
      }
      for (const { sql } of contestants) await sql`VACUUM ANALYZE financial_data`
      for (const symbol of series.keys()) {
        for (const contestant of contestants) await read(contestant, symbol)
        contestants.push(...contestants.splice(0, 1))
      }
      for (const { name, first, appends, reads, connection, sql } of contestants) {
        // Round 0 lets everything be compiled and does not count.
        if (round > 0) totals.set(name, [...(totals.get(name) ?? []), { first, appends, reads }])
        await connection.close()
        await sql.end()
      }
    }
  } finally {
    await server.stop()
  }
  report(totals)
}

/** The statement that makes a function what it was in an earlier migration. */
async function functionBefore(migration: string, name: string): Promise<string> {
  const file = fileURLToPath(new URL(`../packages/db/migrations/${migration}`, import.meta.url))
  const [found] =
    new RegExp(`CREATE FUNCTION "${name}".*?END \\$\\$;`, 's').exec(await readFile(file, 'utf8')) ?? []
  if (found === undefined) throw new Error(`${migration} has no function ${name}`)
  return found.replace('CREATE', 'CREATE OR REPLACE')
}

async function connectTo(name: string, databaseUrl: string, change: string): Promise<Contestant> {
  const sql = postgres(databaseUrl, { max: 1 })
  await sql.unsafe(change)
  const connection = connect({
    databaseUrl,
    applicationName: 'bench',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
  })
  return { name, connection, sql, first: 0, appends: 0, reads: 0 }
}

async function writeFirst(contestant: Contestant, symbol: string, bars: Bar[]): Promise<void> {
  contestant.first += await timeOf(contestant, symbol, bars.slice(0, DAYS))
  // Without triggers the symbol's count stays 0, and the appends would not look for conflicts.
  await contestant.sql.begin(async (sql) => {
    await sql`SET LOCAL session_replication_role = replica`
    await sql`UPDATE symbols SET row_count = ${DAYS} WHERE symbol = ${symbol} AND row_count = 0`
  })
}

async function append(contestant: Contestant, symbol: string, bars: Bar[]): Promise<void> {
  for (const bar of bars.slice(DAYS)) contestant.appends += await timeOf(contestant, symbol, [bar])
}

/** Reads the averages of all of a symbol's rows, as the API does. */
async function read(contestant: Contestant, symbol: string): Promise<void> {
  const { db } = contestant.connection
  const all = { startDate: '1900-01-01', endDate: '2099-12-31', names: AVERAGES, limit: 1 }
  const startedAt = performance.now()
  for (let count = 0; count < READS; count += 1) await readStatistics(db, { symbols: [symbol], ...all })
  contestant.reads += performance.now() - startedAt
}

/** Upserts as the worker does; returns the milliseconds from the packed bars to the commit. */
async function timeOf({ connection }: Contestant, symbol: string, bars: Bar[]): Promise<number> {
  const packed = packBars(bars)
  const startedAt = performance.now()
  await connection.db.transaction((tx) => upsertBars(tx, symbol, packed))
  return performance.now() - startedAt
}

function report(totals: Map<string, Times[]>): void {
  const base = totals.get(AS_IT_IS) ?? []
  const cellsOf = (rounds: Times[], part: Part, writes: number) => {
    const ms = summarize(rounds.map((round) => round[part] / writes)).median
    const ratio = summarize(base.map((round, index) => round[part] / (rounds[index]?.[part] ?? NaN)))
    return [`${ms.toFixed(2)} ms`, withSpread(ratio, 3)]
  }
  const lines = Object.keys(VARIANTS).map((name) => [
    name,
    ...cellsOf(totals.get(name) ?? [], 'first', SYMBOLS),
    ...cellsOf(totals.get(name) ?? [], 'appends', SYMBOLS * APPENDS),
    ...cellsOf(totals.get(name) ?? [], 'reads', SYMBOLS * READS),
  ])
  const head = [
    '',
    `first ${DAYS} rows`,
    `${AS_IT_IS} ÷ it`,
    '1 row more',
    `${AS_IT_IS} ÷ it`,
    'averages of all',
    `${AS_IT_IS} ÷ it`,
  ]
  console.log(`\n<!-- bench:upsert -->\n${markdownTable([head, ...lines])}`)
}

function allBars(): Map<string, Bar[]> {
  const symbols = tickersOf(SYMBOLS)
  const nextDay = startPrices(symbols)
  const series = new Map<string, Bar[]>(symbols.map((symbol) => [symbol, []]))
  for (const day of tradingDays(DAYS + APPENDS)) {
    for (const line of nextDay(day).trimEnd().split('\n')) {
      const [symbol = '', date = '', open = '', high = '', low = '', close = '', volume = ''] =
        line.split('\t')
      series.get(symbol)?.push({ date, open, high, low, close, volume })
    }
  }
  return series
}
