import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { ASCENDING, COLUMNS, DESCENDING, filterOf, filterValuesOf, rowsOf } from './financial-data-query.js'
import type { Filter, FinancialDataQuery, Position } from './financial-data-query.js'

/** From where, in which direction and how far a statement reads on. */
interface Step {
  /** The last row that was read before; null: from the start. */
  after: { symbol: SQL; date: SQL } | null
  /** ASC or DESC. */
  direction: SQL
  /** The operator that compares with `after`: > or <. */
  beyond: SQL
  limit: SQL
}

/**
 * SQL: the next rows of a query in its order, with the columns of a bar. Rows cost the same wherever they lie: nothing is
 * counted or skipped, and rows outside the query are not read. Values: those of `valuesAfter`.
 * @param isAfter whether to go on behind a row; false: from the start
 */
export function rowsAfter(query: FinancialDataQuery, isAfter: boolean): SQL {
  const { symbols, startDate, endDate, asOf, order, latest } = query
  const filter = filterOf(query)
  const step: Step = {
    after: isAfter
      ? { symbol: sql`${sql.placeholder('afterSymbol')}`, date: sql`${sql.placeholder('afterDate')}::date` }
      : null,
    direction: order === 'desc' ? DESCENDING : ASCENDING,
    beyond: sql.raw(order === 'desc' ? '<' : '>'),
    limit: sql`${sql.placeholder('limit')}`,
  }
  if (latest === true) return newestAfter(filter, step)
  if (symbols?.length === 1) return ofSymbolAfter(filter, step)
  const isFiltered = [symbols, startDate, endDate, asOf].some((value) => value !== undefined)
  // A list of symbols is short, and has to be sorted. All symbols come in order from their index, if the planner may choose it.
  return isFiltered ? ofSymbolsAfter(filter, step, symbols !== undefined) : ofAllAfter(step)
}

/** @param after the query's last row that was read before; null: from the start */
export function valuesAfter(query: FinancialDataQuery, after: Position | null, limit: number) {
  return { ...filterValuesOf(query), afterSymbol: after?.symbol, afterDate: after?.date, limit }
}

function ofAllAfter({ after, direction, beyond, limit }: Step): SQL {
  const where = after === null ? sql`` : sql`WHERE (symbol, date) ${beyond} (${after.symbol}, ${after.date})`
  return sql`SELECT ${COLUMNS} FROM financial_data ${where} ORDER BY symbol ${direction}, date ${direction} LIMIT ${limit}`
}

function ofSymbolAfter(filter: Filter, step: Step): SQL {
  const bounds = step.after === null ? filter : boundsBeyond(filter, step, step.after.date)
  return rowsOf(filter, { ...step, ...bounds, symbol: sql`${sql.placeholder('symbols')}` })
}

/**
 * SQL: rows symbol by symbol, since the rows of a range lie together within a symbol. The outer symbols come in order, so
 * that PostgreSQL sorts the rows of one symbol at a time, and never reads the symbols behind the limit. It recognises the
 * order only when the outer ORDER BY says `one.symbol`.
 */
function ofSymbolsAfter(filter: Filter, step: Step, isSorted: boolean): SQL {
  const { after, direction, beyond, limit } = step
  const rest = after === null ? filter : boundsBeyond(filter, step, after.date)
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

/** The days that are left of the symbol in which `after` lies. */
function boundsBeyond({ lower, upper }: Filter, { direction }: Step, date: SQL) {
  return direction === DESCENDING
    ? { lower, upper: sql`least(${upper}, ${date} - 1)` }
    : { lower: sql`greatest(${lower}, ${date} + 1)`, upper }
}
