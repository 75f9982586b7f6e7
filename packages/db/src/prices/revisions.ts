import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import type { FinancialDataRow } from './financial-data-query.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows } from '../database/list-part.js'
import type { Counted, ListPart } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

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
  part: ListPart<{ id: number }>,
): Promise<{ revisions: Revision[] } & Counted> {
  const { symbol, startDate, endDate } = filter
  const where = allOf([
    sql`symbol = ${symbol}`,
    startDate !== undefined && sql`date >= ${startDate}::date`,
    endDate !== undefined && sql`date <= ${endDate}::date`,
  ])
  const counted = await countRows(db, part, sql`FROM price_revisions WHERE ${where}`)
  const behind = part.after !== undefined && sql`id < ${part.after.id}::bigint`
  const revisions = await db.execute<Record<string, unknown> & Revision>(sql`
    SELECT id::float8 AS id, symbol, date::text AS date,
           jsonb_build_object('openPrice', old_open_price::text, 'highPrice', old_high_price::text, 'lowPrice', old_low_price::text,
             'closePrice', old_close_price::text, 'volume', old_volume::text) AS old,
           jsonb_build_object('openPrice', new_open_price::text, 'highPrice', new_high_price::text, 'lowPrice', new_low_price::text,
             'closePrice', new_close_price::text, 'volume', new_volume::text) AS new,
           ${isoInstant(sql`revised_at`)} AS "revisedAt"
      FROM price_revisions WHERE ${allOf([where, behind])}
     ORDER BY price_revisions.id DESC ${boundsOf(part)}`)
  return { revisions: [...revisions], ...counted }
}
