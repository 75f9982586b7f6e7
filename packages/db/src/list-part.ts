import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from './connection.js'

/** An entry's place in a list that is ordered by an instant, then by id. */
export interface PlaceInTime<Id extends number | string = number> {
  /** Microseconds since 1970. */
  at: number
  id: Id
}

/** Which part of a list is asked for: so many entries behind a place, or behind so many others. */
export type ListPart<Place> = { limit: number } & (
  | { after: Place; offset?: 0 }
  | { after?: never; offset: number }
)

export interface Counted {
  /** Exact up to `COUNTED`; above, PostgreSQL's estimate. Null with `after`: nothing is counted then. */
  count: number | null
  isEstimate: boolean
}

/** Entries that are counted one by one, and that an offset may pass. */
export const COUNTED = 10_000

/**
 * How many rows there are, at the cost of `COUNTED` of them however many there are.
 * @param from the statement's FROM and WHERE
 */
export async function countRows(db: Database, part: ListPart<unknown>, from: SQL): Promise<Counted> {
  if (part.after !== undefined) return { count: null, isEstimate: false }
  const [counted] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM (SELECT ${from} LIMIT ${COUNTED + 1}) AS listed`,
  )
  const count = counted?.count ?? 0
  if (count <= COUNTED) return { count, isEstimate: false }
  const [explained] = await db.execute<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    sql`EXPLAIN (FORMAT JSON) SELECT ${from}`,
  )
  return { count: Math.max(count, explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0), isEstimate: true }
}

/** SQL: the instant's place, for `PlaceInTime`. */
export function microseconds(instant: SQL): SQL {
  return sql`(extract(epoch FROM ${instant}) * 1000000)::float8`
}

/** SQL: the condition of what follows a place in a list of the newest first. False without one. */
export function olderThan(
  columns: { at: SQL; id: SQL },
  after: PlaceInTime<number | string> | undefined,
): SQL | false {
  if (after === undefined) return false
  const id = typeof after.id === 'string' ? sql`${after.id}::uuid` : sql`${after.id}::bigint`
  return sql`(${columns.at}, ${columns.id}) < (timestamptz 'epoch' + ${after.at}::float8 * interval '1 microsecond', ${id})`
}
