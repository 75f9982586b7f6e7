import { sql } from 'drizzle-orm'
import type { Database } from './connection.js'
import { isoInstant } from './instant.js'
import type { Failure } from './items.js'

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

export interface QuarantinedRow {
  id: number
  runId: string
  symbol: string
  date: string | null
  raw: unknown
  reasons: string[]
  /** ISO 8601, UTC. */
  rejectedAt: string
}

export interface Filter {
  runId?: string | undefined
  symbol?: string | undefined
  limit: number
  offset: number
}

/** Failed attempts, newest first. */
export async function listFailures(
  db: Database,
  filter: Filter & { class?: string | undefined },
): Promise<{ failures: RecordedFailure[]; count: number }> {
  const where = sql`${matches(filter)} AND (${filter.class ?? null}::text IS NULL OR class = ${filter.class ?? null})`
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM ingest_failures WHERE ${where}`,
  )
  const failures = await db.execute<Record<string, unknown> & RecordedFailure>(sql`
    SELECT id::float8 AS id, run_id AS "runId", symbol, attempt, final, class, detail, advice,
           http_status AS "httpStatus", evidence, ${isoInstant(sql`failed_at`)} AS "failedAt"
      FROM ingest_failures WHERE ${where} ORDER BY ingest_failures.id DESC LIMIT ${filter.limit} OFFSET ${filter.offset}`)
  return { failures: [...failures], count: total?.count ?? 0 }
}

/** Quarantined rows, newest first. */
export async function listRejectedRows(
  db: Database,
  filter: Filter,
): Promise<{ rows: QuarantinedRow[]; count: number }> {
  const where = matches(filter)
  const [total] = await db.execute<{ count: number }>(
    sql`SELECT count(*)::float8 AS count FROM rejected_rows WHERE ${where}`,
  )
  const rows = await db.execute<Record<string, unknown> & QuarantinedRow>(sql`
    SELECT id::float8 AS id, run_id AS "runId", symbol, date, raw, to_jsonb(reasons) AS reasons, ${isoInstant(sql`rejected_at`)} AS "rejectedAt"
      FROM rejected_rows WHERE ${where} ORDER BY rejected_rows.id DESC LIMIT ${filter.limit} OFFSET ${filter.offset}`)
  return { rows: [...rows], count: total?.count ?? 0 }
}

function matches(filter: Filter): ReturnType<typeof sql> {
  const { runId = null, symbol = null } = filter
  return sql`(${runId}::uuid IS NULL OR run_id = ${runId}::uuid) AND (${symbol}::text IS NULL OR symbol = ${symbol})`
}
