import { sql } from 'drizzle-orm'
import { prepared } from './connection.js'
import type { Pool } from './connection.js'
import { filterValuesOf } from './financial-data-query.js'
import type { FinancialDataQuery, FinancialDataRow, Position } from './financial-data-query.js'
import { pageOfRows } from './page-of-rows.js'
import { rowsAfter } from './rows-after.js'
import { compile, run } from './statement.js'
import type { Statement } from './statement.js'
import { versionOf } from './version.js'

type Line = { version: string } & (StoredRow | { symbol: null })

/** A page of daily bars by symbol (bytewise), then date, how many bars match in all, and their version: as of one moment. */
export async function listFinancialData(
  db: Pool,
  query: FinancialDataQuery,
  page: { limit: number; offset: number },
): Promise<{ rows: FinancialDataRow[]; count: number; version: string }> {
  const lines = await run<Line & { count: number }>(db, statementOf(query), {
    ...filterValuesOf(query),
    ...page,
  })
  const [{ count, version } = { count: 0, version: '0' }] = lines
  return { rows: lines.filter((line) => line.symbol !== null).map(rowOf), count, version }
}

/**
 * The next bars of a query, at the same cost everywhere.
 * @param after the last bar that was had; null: from the start
 * @returns isLast: none follow at the moment
 */
export async function listFinancialDataAfter(
  db: Pool,
  query: FinancialDataQuery,
  after: Position | null,
  limit: number,
): Promise<{ rows: FinancialDataRow[]; isLast: boolean; version: string }> {
  // One more than asked for tells whether there are more. The rows keep their order beside the one row of the version.
  const lines = await prepared<Line>(
    db,
    sql`SELECT known.version, bar.* FROM (SELECT ${versionOf(query.symbols)} AS version) AS known
          LEFT JOIN (${rowsAfter(query, after, limit + 1)}) AS bar ON true`,
  )
  const rows = lines.filter((line) => line.symbol !== null).map(rowOf)
  return { rows: rows.slice(0, limit), isLast: rows.length <= limit, version: lines[0]?.version ?? '0' }
}

interface StoredRow {
  symbol: string
  date: string
  open_price: string
  high_price: string
  low_price: string
  close_price: string
  volume: string
}

function rowOf(stored: StoredRow): FinancialDataRow {
  return {
    symbol: stored.symbol,
    date: stored.date,
    openPrice: stored.open_price,
    highPrice: stored.high_price,
    lowPrice: stored.low_price,
    closePrice: stored.close_price,
    volume: stored.volume,
  }
}

const statements = new Map<string, Statement>()

/** The text depends on which filters there are alone, not on their values. */
function statementOf(query: FinancialDataQuery): Statement {
  const { symbols, startDate, endDate, order = 'asc', latest = false, asOf } = query
  const hasRange = startDate !== undefined || endDate !== undefined
  const shape = [Math.min(symbols?.length ?? 0, 2), hasRange, order, latest, asOf !== undefined].join(' ')
  const known = statements.get(shape)
  if (known !== undefined) return known
  const statement = compile(pageOfRows(query))
  statements.set(shape, statement)
  return statement
}
