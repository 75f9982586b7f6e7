import { and, asc, count, eq, gte, lte } from 'drizzle-orm'
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
