import { BAR_VALUES } from '@stockpile/domain/bar'
import type { BarValueColumn } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import { boundsOf, countRows } from '../database/list-part.js'
import type { Counted, ListPart } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

type Values = Record<BarValueColumn, string>

export interface Revision {
  id: number
  symbol: string
  date: string
  old: Values
  new: Values
  /** ISO 8601, UTC. */
  revisedAt: string
}

/** Lists the changes of a symbol's stored values, newest first. */
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
           ${valuesOf('old')} AS old, ${valuesOf('new')} AS new,
           ${isoInstant(sql`revised_at`)} AS "revisedAt"
      FROM price_revisions WHERE ${allOf([where, behind])}
     ORDER BY price_revisions.id DESC ${boundsOf(part)}`)
  return { revisions: [...revisions], ...counted }
}

/** SQL: the values before or after the change, by their columns. json, not jsonb, which would change their order. */
function valuesOf(side: 'old' | 'new') {
  return sql.raw(
    `json_build_object(${BAR_VALUES.map(({ column }) => `'${column}', ${side}_${column}::text`).join(', ')})`,
  )
}
