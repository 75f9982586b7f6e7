import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import type { Failure } from './items.js'
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

export interface Page {
  limit: number
  offset: number
}

/** Failed attempts, newest first. */
export async function listFailures(
  db: Database,
  filter: Filter & Page,
): Promise<{ failures: RecordedFailure[]; count: number }> {
  const where = matches(filter)
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM ingest_failures WHERE ${where}`,
  )
  const failures = await db.execute<Record<string, unknown> & RecordedFailure>(sql`
    SELECT id::float8 AS id, run_id AS "runId", symbol, attempt, final, class, detail, advice,
           http_status AS "httpStatus", evidence, ${isoInstant(sql`failed_at`)} AS "failedAt"
      FROM ingest_failures WHERE ${where} ORDER BY ingest_failures.id DESC LIMIT ${filter.limit} OFFSET ${filter.offset}`)
  return { failures: [...failures], count: total?.count ?? 0 }
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
  return db.execute<Record<string, unknown> & FailureGroup>(sql`
    SELECT class, count(*)::float8 AS attempts, count(DISTINCT symbol)::float8 AS symbols, (count(*) FILTER (WHERE final))::float8 AS final,
           (array_agg(advice ORDER BY id DESC))[1] AS advice, (array_agg(detail ORDER BY id DESC))[1] AS example,
           ${isoInstant(sql`min(failed_at)`)} AS "firstFailedAt", ${isoInstant(sql`max(failed_at)`)} AS "lastFailedAt"
      FROM ingest_failures WHERE ${matches(filter)} GROUP BY class ORDER BY max(id) DESC`)
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
