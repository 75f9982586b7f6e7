import { sql } from 'drizzle-orm'
import { prepared } from './connection.js'
import type { Database, Pool } from './connection.js'
import { filterValuesOf } from './financial-data-query.js'
import type { FinancialDataQuery, FinancialDataRow, Position } from './financial-data-query.js'
import { pageOfRows } from './page-of-rows.js'
import { rowsAfter } from './rows-after.js'
import { compile, run } from './statement.js'
import type { Statement } from './statement.js'

type Line = { count: number } & (StoredRow | { symbol: null })

/** A page of daily bars by symbol (bytewise), then date, and how many bars match in all, as of one moment. */
export async function listFinancialData(
  db: Pool,
  query: FinancialDataQuery,
  page: { limit: number; offset: number },
): Promise<{ rows: FinancialDataRow[]; count: number }> {
  const lines = await run<Line>(db, statementOf(query), { ...filterValuesOf(query), ...page })
  return { rows: lines.filter((line) => line.symbol !== null).map(rowOf), count: lines[0]?.count ?? 0 }
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
): Promise<{ rows: FinancialDataRow[]; isLast: boolean }> {
  // One more than asked for tells whether there are more.
  const stored = await prepared<StoredRow>(db, rowsAfter(query, after, limit + 1))
  return { rows: stored.slice(0, limit).map(rowOf), isLast: stored.length <= limit }
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

export interface Statistics {
  symbol: string
  /** Rounded half up to 4 decimals; null when no day lies in the range. */
  averageOpenPrice: string | null
  averageClosePrice: string | null
  /** Rounded half up to an integer. */
  averageVolume: string | null
}

/**
 * Averages over a symbol's days in a range, computed exactly (numeric, not floating point).
 * @param range ISO dates, inclusive
 * @returns one entry a symbol, in the order given; null for a symbol that has no rows at all
 */
export async function averageBySymbol(
  db: Database,
  symbols: readonly string[],
  range: { startDate: string; endDate: string },
): Promise<(Statistics | null)[]> {
  // Prices and volumes are not negative, so numeric's "half away from zero" is half up.
  const rows = await db.execute<Record<string, unknown> & Statistics & { known: boolean }>(sql`
    SELECT wanted.symbol, (SELECT row_count > 0 FROM symbols WHERE symbols.symbol = wanted.symbol) IS TRUE AS known,
           average.*
      FROM jsonb_array_elements_text(${JSON.stringify(symbols)}::text::jsonb) WITH ORDINALITY AS wanted(symbol, position)
      CROSS JOIN LATERAL (
        SELECT round(avg(open_price), 4)::text AS "averageOpenPrice", round(avg(close_price), 4)::text AS "averageClosePrice",
               round(avg(volume))::text AS "averageVolume"
          FROM financial_data
         WHERE financial_data.symbol = wanted.symbol COLLATE "C"
           AND date BETWEEN ${range.startDate}::date AND ${range.endDate}::date
      ) AS average
     ORDER BY wanted.position`)
  return rows.map(({ known, symbol, averageOpenPrice, averageClosePrice, averageVolume }) =>
    known ? { symbol, averageOpenPrice, averageClosePrice, averageVolume } : null,
  )
}
