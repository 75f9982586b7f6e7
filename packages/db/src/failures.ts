import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import type { Failure } from './items.js'
import { countRows, microseconds, olderThan } from './list-part.js'
import type { Counted, ListPart, PlaceInTime } from './list-part.js'
import { allOf } from './statement.js'

export interface RecordedFailure extends Failure {
  id: number
  runId: string
  symbol: string
  attempt: number
  /** Whether the item ended with it. */
  final: boolean
  /** ISO 8601, UTC. */
  failedAt: string
}

export interface Filter {
  runId?: string | undefined
  symbol?: string | undefined
  class?: string | undefined
  /** ISO 8601; from (inclusive) and until (exclusive) when it failed. */
  from?: string | undefined
  until?: string | undefined
}

/** Failed attempts, newest first. */
export async function listFailures(
  db: Database,
  filter: Filter & ListPart<PlaceInTime>,
): Promise<{ failures: (RecordedFailure & PlaceInTime)[] } & Counted> {
  const where = matches(filter)
  const counted = await countRows(db, filter, sql`FROM ingest_failures WHERE ${where}`)
  const behind = olderThan({ at: sql`failed_at`, id: sql`ingest_failures.id` }, filter.after)
  const failures = await db.execute<Record<string, unknown> & RecordedFailure & PlaceInTime>(sql`
    SELECT id::float8 AS id, run_id AS "runId", symbol, attempt, final, class, detail, advice,
           http_status AS "httpStatus", evidence, ${isoInstant(sql`failed_at`)} AS "failedAt", ${microseconds(sql`failed_at`)} AS at
      FROM ingest_failures WHERE ${allOf([where, behind])}
     ORDER BY failed_at DESC, ingest_failures.id DESC LIMIT ${filter.limit} OFFSET ${filter.offset ?? 0}`)
  return { failures: [...failures], ...counted }
}

export interface FailureGroup {
  class: string
  /** Failed attempts, and the symbols they were for. */
  attempts: number
  symbols: number
  /** Attempts with which an item ended. */
  final: number
  /** What a person should do, and the newest attempt's sentence as an example. */
  advice: string
  example: string
  /** ISO 8601, UTC. */
  firstFailedAt: string
  lastFailedAt: string
}

/** Failed attempts by class, the newest first: what failed in one outage is one line. */
export async function groupFailures(db: Database, filter: Filter): Promise<FailureGroup[]> {
  // The sentences are read of the newest alone: with all of them sorted it takes thirty times as long.
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

function matches({ runId, symbol, class: failureClass, from, until }: Filter): SQL {
  return allOf([
    runId !== undefined && sql`run_id = ${runId}::uuid`,
    symbol !== undefined && sql`symbol = ${symbol}`,
    failureClass !== undefined && sql`class = ${failureClass}`,
    from !== undefined && sql`failed_at >= ${from}::timestamptz`,
    until !== undefined && sql`failed_at < ${until}::timestamptz`,
  ])
}
