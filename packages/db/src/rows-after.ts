import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { ASCENDING, COLUMNS, DESCENDING, filterOf, filterValuesOf, rowsOf } from './financial-data-query.js'
import type { Filter, FinancialDataQuery, Position } from './financial-data-query.js'

/** How a statement goes on: from where, in which direction, how far. */
interface Step {
  after: Position | null
  /** ASC or DESC. */
  direction: SQL
  /** What is compared with `after`: > or <. */
  beyond: SQL
  limit: SQL
}

/**
 * The next rows of a query in its order, with the columns symbol, date, open_price, high_price, low_price, close_price and
 * volume. Each place costs the same: nothing is counted or skipped, rows outside the query are not looked at.
 * A statement of few texts, to be kept prepared.
 * @param after the last row that was had, one of the query's; null: from the start
 */
export function rowsAfter(query: FinancialDataQuery, after: Position | null, limit: number): SQL {
  const { symbols, startDate, endDate, asOf, order, latest } = query
  const values = filterValuesOf(query)
  const filter = filterOf(query, (name) => values[name])
  const step: Step = {
    after,
    direction: order === 'desc' ? DESCENDING : ASCENDING,
    beyond: sql.raw(order === 'desc' ? '<' : '>'),
    limit: sql`${limit}`,
  }
  if (latest === true) return newestAfter(filter, step)
  const [symbol] = symbols ?? []
  if (symbol !== undefined && symbols?.length === 1) return ofSymbolAfter(filter, symbol, step)
  const isFiltered = [symbols, startDate, endDate, asOf].some((value) => value !== undefined)
  // A list is short, and has to be sorted. All symbols come from their index, if the planner may choose that.
  return isFiltered ? ofSymbolsAfter(filter, step, symbols !== undefined) : ofAllAfter(step)
}

function ofAllAfter({ after, direction, beyond, limit }: Step): SQL {
  const where =
    after === null ? sql`` : sql`WHERE (symbol, date) ${beyond} (${after.symbol}, ${after.date}::date)`
  return sql`SELECT ${COLUMNS} FROM financial_data ${where} ORDER BY symbol ${direction}, date ${direction} LIMIT ${limit}`
}

function ofSymbolAfter(filter: Filter, symbol: string, step: Step): SQL {
  const bounds = step.after === null ? filter : boundsBeyond(filter, step, step.after)
  return rowsOf(filter, { ...step, ...bounds, symbol: sql`${symbol}` })
}

/**
 * Symbol by symbol: the rows of a range lie in one piece for each. The outer symbols come in order, so that only the rows of
 * one have to be sorted at a time, and the last symbols are not asked: PostgreSQL knows that by the name `one.symbol` alone.
 */
function ofSymbolsAfter(filter: Filter, step: Step, isSorted: boolean): SQL {
  const { after, direction, beyond, limit } = step
  const rest = after === null ? filter : boundsBeyond(filter, step, after)
  const from = after === null ? sql`true` : sql`symbols.symbol ${beyond}= ${after.symbol}`
  const bound = (whole: SQL, left: SQL) =>
    after === null ? whole : sql`CASE WHEN symbol = ${after.symbol} THEN ${left} ELSE ${whole} END`
  const part = { symbol: sql`one.symbol`, lower: sql`one.lower`, upper: sql`one.upper`, direction, limit }
  return sql`
    SELECT bar.* FROM (
      SELECT symbol, ${bound(filter.lower, rest.lower)} AS lower, ${bound(filter.upper, rest.upper)} AS upper FROM symbols
       WHERE first_date <= ${filter.upper} AND last_date >= ${filter.lower} AND ${filter.isWanted} AND ${from}
       ${isSorted ? sql`ORDER BY symbol ${direction}` : sql``}
    ) AS one
    CROSS JOIN LATERAL (${rowsOf(filter, part)}) AS bar
    ORDER BY one.symbol ${direction}, bar.date ${direction} LIMIT ${limit}`
}

function newestAfter({ isWanted }: Filter, { after, direction, beyond, limit }: Step): SQL {
  const from = after === null ? sql`true` : sql`symbols.symbol ${beyond} ${after.symbol}`
  return sql`
    SELECT bar.* FROM (
      SELECT symbol, last_date FROM symbols WHERE row_count > 0 AND ${isWanted} AND ${from}
       ORDER BY symbol ${direction} LIMIT ${limit}
    ) AS one
    CROSS JOIN LATERAL (
      SELECT ${COLUMNS} FROM financial_data AS stored WHERE stored.symbol = one.symbol AND stored.date = one.last_date
    ) AS bar
    ORDER BY one.symbol ${direction}`
}

/** What is left of the symbol in which the position lies. */
function boundsBeyond({ lower, upper }: Filter, { direction }: Step, { date }: Position) {
  return direction === DESCENDING
    ? { lower, upper: sql`least(${upper}, ${date}::date - 1)` }
    : { lower: sql`greatest(${lower}, ${date}::date + 1)`, upper }
}
