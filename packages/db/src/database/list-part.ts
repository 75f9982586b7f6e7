import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from './connection.js'

/** The place of an entry in a list that is ordered by an instant, then by id. */
export interface PlaceInTime<Id extends number | string = number> {
  /** Microseconds since 1970. */
  at: number
  id: Id
}

/** Which part of a list is asked for: at most `limit` entries after a place, or after the first `offset` entries. */
export type ListPart<Place> = { limit: number } & (
  | { after: Place; offset?: 0 }
  | { after?: never; offset: number }
)

/** How many entries a list has. */
export interface Counted {
  /** Exact up to `MAX_COUNTED`, and PostgreSQL's estimate above it. Null for a part with `after`, for which nothing is counted. */
  count: number | null
  isEstimate: boolean
}

/** How many entries are counted one by one, and how many an offset may skip. */
export const MAX_COUNTED = 10_000

/**
 * Counts the rows of a list, at the cost of at most `MAX_COUNTED` rows.
 * @param from SQL: the list's FROM and WHERE
 */
export async function countRows(db: Database, part: ListPart<unknown>, from: SQL): Promise<Counted> {
  if (part.after !== undefined) return { count: null, isEstimate: false }
  const [counted] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM (SELECT ${from} ${boundsOf({ limit: MAX_COUNTED + 1, offset: 0 })}) AS listed`,
  )
  const count = counted?.count ?? 0
  if (count <= MAX_COUNTED) return { count, isEstimate: false }
  const [explained] = await db.execute<{ 'QUERY PLAN': [{ Plan: { 'Plan Rows': number } }] }>(
    sql`EXPLAIN (FORMAT JSON) SELECT ${from}`,
  )
  return { count: Math.max(count, explained?.['QUERY PLAN'][0].Plan['Plan Rows'] ?? 0), isEstimate: true }
}

/**
 * SQL: LIMIT and OFFSET, with their numbers written out. As parameters they would make the planner assume a tenth of the
 * table, which it would sort rather than look up.
 * @throws RangeError for numbers that are not whole
 */
export function boundsOf({ limit, offset = 0 }: ListPart<unknown>): SQL {
  if (!Number.isSafeInteger(limit) || !Number.isSafeInteger(offset))
    throw new RangeError('a part of a list has whole bounds')
  return sql.raw(`LIMIT ${limit} OFFSET ${offset}`)
}

/** SQL: an instant as `at` of a PlaceInTime. */
export function microseconds(instant: SQL): SQL {
  return sql`(extract(epoch FROM ${instant}) * 1000000)::float8`
}

/** SQL: the instant of a PlaceInTime. */
export function instantOf({ at }: PlaceInTime<number | string>): SQL {
  return sql`timestamptz 'epoch' + ${at}::float8 * interval '1 microsecond'`
}

/**
 * SQL: that a row is of this run, for a query in the order of an index that begins with run_id. For `=` the planner assumes
 * the average run, whose few rows may as well be sorted, however many rows this run has.
 */
export function isOfRun(column: SQL, id: SQL): SQL {
  return sql`${column} >= ${id} AND ${column} <= ${id}`
}

/** SQL: that a row comes after a place in a list with the newest first; false, for `allOf`, without a place. */
export function olderThan(
  columns: { at: SQL; id: SQL },
  after: PlaceInTime<number | string> | undefined,
): SQL | false {
  if (after === undefined) return false
  const id = typeof after.id === 'string' ? sql`${after.id}::uuid` : sql`${after.id}::bigint`
  return sql`(${columns.at}, ${columns.id}) < (${instantOf(after)}, ${id})`
}
