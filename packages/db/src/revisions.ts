import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import type { FinancialDataRow } from './financial-data-query.js'
import { isoInstant } from './instant.js'

type Values = Omit<FinancialDataRow, 'symbol' | 'date'>

export interface Revision {
  id: number
  symbol: string
  date: string
  old: Values
  new: Values
  /** ISO 8601, UTC. */
  revisedAt: string
}

/** How a symbol's stored values were changed, newest first. */
export async function listRevisions(
  db: Database,
  filter: { symbol: string; startDate?: string | undefined; endDate?: string | undefined },
  page: { limit: number; offset: number },
): Promise<{ revisions: Revision[]; count: number }> {
  const { symbol, startDate = null, endDate = null } = filter
  const where = sql`symbol = ${symbol} AND (${startDate}::date IS NULL OR date >= ${startDate}::date)
    AND (${endDate}::date IS NULL OR date <= ${endDate}::date)`
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM price_revisions WHERE ${where}`,
  )
  const revisions = await db.execute<Record<string, unknown> & Revision>(sql`
    SELECT id::float8 AS id, symbol, date::text AS date,
           jsonb_build_object('openPrice', old_open_price::text, 'highPrice', old_high_price::text, 'lowPrice', old_low_price::text,
             'closePrice', old_close_price::text, 'volume', old_volume::text) AS old,
           jsonb_build_object('openPrice', new_open_price::text, 'highPrice', new_high_price::text, 'lowPrice', new_low_price::text,
             'closePrice', new_close_price::text, 'volume', new_volume::text) AS new,
           ${isoInstant(sql`revised_at`)} AS "revisedAt"
      FROM price_revisions WHERE ${where} ORDER BY price_revisions.id DESC LIMIT ${page.limit} OFFSET ${page.offset}`)
  return { revisions: [...revisions], count: total?.count ?? 0 }
}

/**
 * A symbol's daily bars as they were stored at an instant: rows that came later are left out, and of a row that was
 * changed later the values before the first change after it. An instant that a transaction was under way at may
 * already count what it was about to commit, some milliseconds later.
 */
export async function listFinancialDataAsOf(
  db: Database,
  filter: { symbol: string; asOf: string; startDate?: string | undefined; endDate?: string | undefined },
  page: { limit: number; offset: number },
): Promise<{ rows: FinancialDataRow[]; count: number }> {
  const { symbol, asOf, startDate = null, endDate = null } = filter
  const where = sql`stored.symbol = ${symbol} AND stored.created_at <= ${asOf}::timestamptz
    AND (${startDate}::date IS NULL OR stored.date >= ${startDate}::date)
    AND (${endDate}::date IS NULL OR stored.date <= ${endDate}::date)`
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM financial_data AS stored WHERE ${where}`,
  )
  const rows = await db.execute<Record<string, unknown> & FinancialDataRow>(sql`
    SELECT stored.symbol, stored.date::text AS date,
           coalesce(later.old_open_price, stored.open_price)::text AS "openPrice",
           coalesce(later.old_high_price, stored.high_price)::text AS "highPrice",
           coalesce(later.old_low_price, stored.low_price)::text AS "lowPrice",
           coalesce(later.old_close_price, stored.close_price)::text AS "closePrice",
           coalesce(later.old_volume, stored.volume)::text AS volume
      FROM financial_data AS stored
      LEFT JOIN LATERAL (
        SELECT * FROM price_revisions AS revision
         WHERE revision.symbol = stored.symbol AND revision.date = stored.date AND revision.revised_at > ${asOf}::timestamptz
         ORDER BY revision.revised_at, revision.id LIMIT 1
      ) AS later ON true
     WHERE ${where} ORDER BY stored.date LIMIT ${page.limit} OFFSET ${page.offset}`)
  return { rows: [...rows], count: total?.count ?? 0 }
}
