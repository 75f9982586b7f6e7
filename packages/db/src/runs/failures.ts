import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { isoInstant } from '../database/instant.js'
import type { Failure } from '@stockpile/domain/failure'
import { boundsOf, countRows, instantOf, microseconds, olderThan } from '../database/list-part.js'
import type { Counted, ListPart, PlaceInTime } from '../database/list-part.js'
import { allOf } from '../database/statement.js'

/** A failed attempt as it is shown. */
export interface RecordedFailure extends Failure {
  id: number
  runId: string
  symbol: string
  attempt: number
  /** Whether the item ended failed with this attempt. */
  final: boolean
  /** ISO 8601, UTC. */
  failedAt: string
}

/** Which failed attempts are asked for; undefined: all. */
export interface FailureFilter {
  runId?: string | undefined
  symbol?: string | undefined
  class?: string | undefined
  /** When the attempt failed: from (inclusive) and until (exclusive) an instant, ISO 8601. */
  from?: string | undefined
  until?: string | undefined
}

/** Lists failed attempts, newest first. */
export async function listFailures(
  db: Database,
  filter: FailureFilter & ListPart<PlaceInTime>,
): Promise<{ failures: (RecordedFailure & PlaceInTime)[] } & Counted> {
  const { where, order } =
    filter.runId !== undefined && filter.symbol !== undefined ? ofItem(filter) : stretchOf(filter)
  const from = sql`FROM ingest_failures WHERE ${where} ORDER BY ${order}`
  const counted = await countRows(db, filter, from)
  // The inner query needs an index alone, so that the planner takes it; full rows are read for the page only.
  const failures = await db.execute<Record<string, unknown> & RecordedFailure & PlaceInTime>(sql`
    SELECT id::float8 AS id, run_id AS "runId", symbol, attempt, final, class, detail, advice,
           http_status AS "httpStatus", evidence, ${isoInstant(sql`failed_at`)} AS "failedAt", ${microseconds(sql`failed_at`)} AS at
      FROM ingest_failures JOIN (SELECT id, failed_at ${from} ${boundsOf(filter)}) AS page USING (id, failed_at)
     ORDER BY failed_at DESC, ingest_failures.id DESC`)
  return { failures: [...failures], ...counted }
}

/** The failed attempts of one class. Instants are ISO 8601, UTC. */
export interface FailureGroup {
  class: string
  /** How many attempts failed, and for how many symbols. */
  attempts: number
  symbols: number
  /** With how many of these attempts an item ended failed. */
  final: number
  /** The newest attempt: what a person should do, and what happened as an example. */
  advice: string
  example: string
  firstFailedAt: string
  lastFailedAt: string
}

/** Groups failed attempts by class, the newest first, so that an outage is one line. */
export async function groupFailures(db: Database, filter: FailureFilter): Promise<FailureGroup[]> {
  // Only the newest attempt's sentences are read: to sort all sentences takes thirty times as long.
  return db.execute<Record<string, unknown> & FailureGroup>(sql`
    SELECT found.class, attempts, symbols, found.final, newest.advice, newest.detail AS example,
           ${isoInstant(sql`first_at`)} AS "firstFailedAt", ${isoInstant(sql`last_at`)} AS "lastFailedAt"
      FROM (
        SELECT class, sum(attempts)::float8 AS attempts, count(*)::float8 AS symbols, sum(final)::float8 AS final,
               min(first_at) AS first_at, max(last_at) AS last_at, max(newest_id) AS newest_id
          FROM (
            SELECT class, symbol, count(*) AS attempts, count(*) FILTER (WHERE final) AS final,
                   min(failed_at) AS first_at, max(failed_at) AS last_at, max(id) AS newest_id
              FROM ingest_failures WHERE ${matches(filter)} GROUP BY class, symbol
          ) AS by_symbol GROUP BY class
      ) AS found JOIN ingest_failures AS newest ON newest.id = found.newest_id
     ORDER BY newest_id DESC`)
}

function matches({ runId, symbol, class: failureClass, from, until }: FailureFilter): SQL {
  return allOf([
    runId !== undefined && sql`run_id = ${runId}::uuid`,
    symbol !== undefined && sql`symbol = ${symbol}`,
    failureClass !== undefined && sql`class = ${failureClass}`,
    from !== undefined && sql`failed_at >= ${from}::timestamptz`,
    until !== undefined && sql`failed_at < ${until}::timestamptz`,
  ])
}

/** Where in the table the failures of a filter are looked for, and in which order. */
interface Sought {
  where: SQL
  order: SQL
}

/** Looks for the failures of one item, the run's only item of the symbol; an item has few failures, so that all are read. */
function ofItem(filter: FailureFilter & ListPart<PlaceInTime>): Sought {
  const { runId, symbol, ...rest } = filter
  return {
    where: allOf([
      sql`item_id = ANY (ARRAY(SELECT item.id FROM ingest_items AS item WHERE item.run_id = ${runId}::uuid AND item.symbol = ${symbol}))`,
      matches(rest),
      olderThan({ at: sql`failed_at`, id: sql`ingest_failures.id` }, filter.after),
    ]),
    order: sql`failed_at DESC, ingest_failures.id DESC`,
  }
}

/**
 * Looks in one stretch of the index that begins with the columns of the filter. The bounds are comparisons of rows: for `=`
 * the planner assumes the average count, while a run or a class may have no failure, or nearly all there are.
 */
function stretchOf(filter: FailureFilter & ListPart<PlaceInTime>): Sought {
  const { runId, symbol, class: failureClass, from, until, after } = filter
  const leads: { column: SQL; value: SQL }[] = []
  if (symbol !== undefined) leads.push({ column: sql`symbol`, value: sql`${symbol}::text` })
  else if (failureClass !== undefined) leads.push({ column: sql`class`, value: sql`${failureClass}::text` })
  if (runId !== undefined) leads.push({ column: sql`run_id`, value: sql`${runId}::uuid` })
  const columns = (...more: SQL[]) => listOf([...leads.map(({ column }) => column), ...more])
  const values = (...more: SQL[]) => listOf([...leads.map(({ value }) => value), ...more])
  const isLed = leads.length > 0
  const upper =
    after !== undefined
      ? sql`(${columns(sql`failed_at`, sql`ingest_failures.id`)}) < (${values(instantOf(after), sql`${after.id}::bigint`)})`
      : until !== undefined
        ? sql`(${columns(sql`failed_at`)}) < (${values(sql`${until}::timestamptz`)})`
        : isLed && sql`(${columns()}) <= (${values()})`
  const lower =
    from !== undefined
      ? sql`(${columns(sql`failed_at`)}) >= (${values(sql`${from}::timestamptz`)})`
      : isLed && sql`(${columns()}) >= (${values()})`
  // Filtered afterwards, since a symbol has few failures of any class.
  const ofClass = symbol !== undefined && failureClass !== undefined && sql`class = ${failureClass}`
  return {
    where: allOf([lower, upper, ofClass]),
    order: listOf(
      [...leads.map(({ column }) => column), sql`failed_at`, sql`ingest_failures.id`].map(
        (one) => sql`${one} DESC`,
      ),
    ),
  }
}

const listOf = (parts: SQL[]) => sql.join(parts, sql`, `)
