import type { StoredBar } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import { filterOf, filterValuesOf } from './financial-data-query.js'
import type { FinancialDataQuery, Position } from './financial-data-query.js'
import { firstPageOfRows, pageOfRows } from './page-of-rows.js'
import { rowsAfter, valuesAfter } from './rows-after.js'
import { compile, run } from '../database/statement.js'
import type { Statement } from '../database/statement.js'
import { versionWhere } from './version.js'

type Line = { version: string } & (StoredBar | { symbol: null })

/** Reads a page of daily bars by symbol (bytewise), then date, how many bars match in all, and their version: as of one moment. */
export async function listFinancialData(
  db: Pool,
  query: FinancialDataQuery,
  page: { limit: number; offset: number },
): Promise<{ rows: StoredBar[]; count: number; version: string }> {
  const statement =
    page.offset === 0 ? kept('first page', query, firstPageOfRows) : kept('page', query, pageOfRows)
  const lines = await run<Line & { count: number }>(db, statement, { ...filterValuesOf(query), ...page })
  const [{ count, version } = { count: 0, version: '0' }] = lines
  return { rows: rowsIn(lines), count, version }
}

/**
 * Reads the next bars of a query, at the same cost wherever they lie.
 * @param after the last bar that was read before
 * @returns isLast: no further bar follows at the moment
 */
export async function listFinancialDataAfter(
  db: Pool,
  query: FinancialDataQuery,
  after: Position,
  limit: number,
): Promise<{ rows: StoredBar[]; isLast: boolean; version: string }> {
  // One row more than asked for tells whether more follow.
  const lines = await run<Line>(db, kept('after', query, pageAfter), valuesAfter(query, after, limit + 1))
  const rows = rowsIn(lines)
  return { rows: rows.slice(0, limit), isLast: rows.length <= limit, version: lines[0]?.version ?? '0' }
}

/** SQL: each row beside the version. The join with one row keeps the order of the rows. */
function pageAfter(query: FinancialDataQuery): SQL {
  const isWanted = query.symbols && filterOf(query).isWanted
  return sql`SELECT known.version, bar.* FROM (SELECT ${versionWhere(isWanted)} AS version) AS known
               LEFT JOIN (${rowsAfter(query, true)}) AS bar ON true`
}

/** The columns of a line that are a bar's. Written out: a copy made in a loop takes seven times as long. */
function barOf(line: StoredBar): StoredBar {
  return {
    symbol: line.symbol,
    date: line.date,
    open_price: line.open_price,
    high_price: line.high_price,
    low_price: line.low_price,
    close_price: line.close_price,
    volume: line.volume,
  }
}

function rowsIn(lines: readonly Line[]): StoredBar[] {
  return lines.filter((line) => line.symbol !== null).map(barOf)
}

const statements = new Map<string, Statement>()

/** Makes each statement's text once: it depends on the kinds of filters, not on their values. */
function kept(kind: string, query: FinancialDataQuery, make: (query: FinancialDataQuery) => SQL): Statement {
  const { symbols, startDate, endDate, order = 'asc', latest = false, asOf } = query
  const hasRange = startDate !== undefined || endDate !== undefined
  const shape = `${kind} ${Math.min(symbols?.length ?? 0, 2)} ${hasRange} ${order} ${latest} ${asOf !== undefined}`
  const known = statements.get(shape)
  if (known !== undefined) return known
  const statement = compile(make(query))
  statements.set(shape, statement)
  return statement
}
