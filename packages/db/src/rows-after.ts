import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { ASCENDING, COLUMNS, DESCENDING, endOf, isWanted, rowsOf, startOf } from './financial-data-query.js'
import type { FinancialDataQuery, Position } from './financial-data-query.js'

/**
 * The next rows of a query in its order, with the columns symbol, date, open_price, high_price, low_price, close_price and
 * volume. Each place costs the same: nothing is counted or skipped, rows outside the query are not looked at.
 * A statement of few texts, to be kept prepared.
 * @param after the last row that was had, one of the query's; null: from the start
 */
export function rowsAfter(query: FinancialDataQuery, after: Position | null, limit: number): SQL {
  const { symbols, startDate, endDate, asOf, latest } = query
  if (latest === true) return newestAfter(query, after, limit)
  const [symbol] = symbols ?? []
  if (symbol !== undefined && symbols?.length === 1) return ofSymbolAfter(query, symbol, after, limit)
  const isFiltered = [symbols, startDate, endDate, asOf].some((filter) => filter !== undefined)
  return isFiltered ? ofSymbolsAfter(query, after, limit) : ofAllAfter(query, after, limit)
}

function ofAllAfter(query: FinancialDataQuery, after: Position | null, limit: number): SQL {
  const { direction, beyond } = directionOf(query)
  const where =
    after === null ? sql`` : sql`WHERE (symbol, date) ${beyond} (${after.symbol}, ${after.date}::date)`
  return sql`SELECT ${COLUMNS} FROM financial_data ${where} ORDER BY symbol ${direction}, date ${direction} LIMIT ${limit}`
}

function ofSymbolAfter(
  query: FinancialDataQuery,
  symbol: string,
  after: Position | null,
  limit: number,
): SQL {
  const { direction } = directionOf(query)
  const bounds = after === null ? boundsOf(query) : boundsBeyond(query, after)
  return rowsOf(query, { symbol: sql`${symbol}`, ...bounds, direction, limit: sql`${limit}` })
}

/**
 * Symbol by symbol: the rows of a range lie in one piece for each. The outer symbols come in order, so that only the rows of
 * one have to be sorted at a time, and the last symbols are not asked: PostgreSQL knows that by the name `one.symbol` alone.
 */
function ofSymbolsAfter(query: FinancialDataQuery, after: Position | null, limit: number): SQL {
  const { direction, beyond } = directionOf(query)
  const { lower, upper } = boundsOf(query)
  const rest = after === null ? undefined : boundsBeyond(query, after)
  const from = after === null ? sql`true` : sql`symbols.symbol ${beyond}= ${after.symbol}`
  const bound = (whole: SQL, left: SQL | undefined) =>
    left === undefined ? whole : sql`CASE WHEN symbol = ${after?.symbol} THEN ${left} ELSE ${whole} END`
  // A list is short and has to be sorted; all symbols come from their index, which the planner would not take for a sort.
  const sorted = query.symbols === undefined ? sql`` : sql`ORDER BY symbol ${direction}`
  const part = { symbol: sql`one.symbol`, lower: sql`one.lower`, upper: sql`one.upper`, direction }
  return sql`
    SELECT bar.* FROM (
      SELECT symbol, ${bound(lower, rest?.lower)} AS lower, ${bound(upper, rest?.upper)} AS upper FROM symbols
       WHERE first_date <= ${upper} AND last_date >= ${lower} AND ${isWanted(query)} AND ${from}
       ${sorted}
    ) AS one
    CROSS JOIN LATERAL (${rowsOf(query, { ...part, limit: sql`${limit}` })}) AS bar
    ORDER BY one.symbol ${direction}, bar.date ${direction} LIMIT ${limit}`
}

function newestAfter(query: FinancialDataQuery, after: Position | null, limit: number): SQL {
  const { direction, beyond } = directionOf(query)
  const from = after === null ? sql`true` : sql`symbols.symbol ${beyond} ${after.symbol}`
  return sql`
    SELECT bar.* FROM (
      SELECT symbol, last_date FROM symbols WHERE row_count > 0 AND ${isWanted(query)} AND ${from}
       ORDER BY symbol ${direction} LIMIT ${limit}
    ) AS one
    CROSS JOIN LATERAL (
      SELECT ${COLUMNS} FROM financial_data AS stored WHERE stored.symbol = one.symbol AND stored.date = one.last_date
    ) AS bar
    ORDER BY one.symbol ${direction}`
}

function directionOf({ order }: FinancialDataQuery): { direction: SQL; beyond: SQL } {
  return order === 'desc'
    ? { direction: DESCENDING, beyond: sql.raw('<') }
    : { direction: ASCENDING, beyond: sql.raw('>') }
}

interface Bounds {
  lower: SQL
  upper: SQL
}

function boundsOf(query: FinancialDataQuery): Bounds {
  return { lower: startOf(query), upper: endOf(query) }
}

/** What is left of the symbol in which the position lies. */
function boundsBeyond(query: FinancialDataQuery, { date }: Position): Bounds {
  const { lower, upper } = boundsOf(query)
  return query.order === 'desc'
    ? { lower, upper: sql`least(${upper}, ${date}::date - 1)` }
    : { lower: sql`greatest(${lower}, ${date}::date + 1)`, upper }
}
