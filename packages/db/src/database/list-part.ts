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
    sql`SELECT count(*)::float8 AS count FROM (SELECT ${from} ${boundsOf({ limit: COUNTED + 1, offset: 0 })}) AS listed`,
  )
  const count = counted?.count ?? 0
  if (count <= COUNTED) return { count, isEstimate: false }
  const [explained] = await db.execute<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    sql`EXPLAIN (FORMAT JSON) SELECT ${from}`,
  )
  return { count: Math.max(count, explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0), isEstimate: true }
}

/**
 * SQL: LIMIT and OFFSET. Their numbers are written out: a plan for any number is one for a tenth of the table, which is
 * sorted then rather than looked up.
 */
export function boundsOf({ limit, offset = 0 }: ListPart<unknown>): SQL {
  if (!Number.isSafeInteger(limit) || !Number.isSafeInteger(offset))
    throw new RangeError('a part of a list has whole bounds')
  return sql.raw(`LIMIT ${limit} OFFSET ${offset}`)
}

/** SQL: the instant's place, for `PlaceInTime`. */
export function microseconds(instant: SQL): SQL {
  return sql`(extract(epoch FROM ${instant}) * 1000000)::float8`
}

/** SQL: the instant of a place. */
export function instantOf({ at }: PlaceInTime<number | string>): SQL {
  return sql`timestamptz 'epoch' + ${at}::float8 * interval '1 microsecond'`
}

/**
 * SQL: that a row is of this run, for what is read in the order of an index that begins with run_id, and ordered by run_id
 * first. Of `=` the planner takes the average, which is a few rows that may as well be sorted, however many a run has.
 */
export function isOfRun(column: SQL, id: SQL): SQL {
  return sql`${column} >= ${id} AND ${column} <= ${id}`
}

/** SQL: the condition of what follows a place in a list of the newest first. False without one. */
export function olderThan(
  columns: { at: SQL; id: SQL },
  after: PlaceInTime<number | string> | undefined,
): SQL | false {
  if (after === undefined) return false
  const id = typeof after.id === 'string' ? sql`${after.id}::uuid` : sql`${after.id}::bigint`
  return sql`(${columns.at}, ${columns.id}) < (${instantOf(after)}, ${id})`
}
