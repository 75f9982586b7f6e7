import { and, asc, count, eq, gte, lte, sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import type { FinancialDataRow } from './financial-data-query.js'
import { financialData } from './schema.js'

export interface FinancialDataFilter {
  symbol?: string | undefined
  /** ISO date, inclusive. */
  startDate?: string | undefined
  /** ISO date, inclusive. */
  endDate?: string | undefined
}

/** A page of daily bars by symbol (bytewise), then date, and how many bars match in all. */
export async function listFinancialData(
  db: Database,
  filter: FinancialDataFilter,
  page: { limit: number; offset: number },
): Promise<{ rows: FinancialDataRow[]; count: number }> {
  const where = and(
    filter.symbol === undefined ? undefined : eq(financialData.symbol, filter.symbol),
    filter.startDate === undefined ? undefined : gte(financialData.date, filter.startDate),
    filter.endDate === undefined ? undefined : lte(financialData.date, filter.endDate),
  )
  const [total] = await db.select({ count: count() }).from(financialData).where(where)
  const matching = total?.count ?? 0
  if (page.offset >= matching) return { rows: [], count: matching }
  const rows = await db
    .select({
      symbol: financialData.symbol,
      date: financialData.date,
      openPrice: financialData.openPrice,
      highPrice: financialData.highPrice,
      lowPrice: financialData.lowPrice,
      closePrice: financialData.closePrice,
      volume: financialData.volume,
    })
    .from(financialData)
    .where(where)
    .orderBy(asc(financialData.symbol), asc(financialData.date))
    .limit(page.limit)
    .offset(page.offset)
  return { rows, count: matching }
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
