import type postgres from 'postgres'

export interface FailedAttempt {
  /** Counted from 1. */
  attempt: number
  final: boolean
  class: string
  httpStatus: number | null
  evidence: string | null
}

/** The failures of a symbol, oldest first. */
export async function failedAttempts(sql: postgres.Sql, symbol: string): Promise<FailedAttempt[]> {
  return sql<FailedAttempt[]>`
    SELECT attempt, final, class, http_status AS "httpStatus", evidence FROM ingest_failures WHERE symbol = ${symbol} ORDER BY id`
}

/** Counts the attempts charged and the failures recorded of all symbols: 0 when the fault was no item's. */
export async function chargedAttempts(sql: postgres.Sql): Promise<number> {
  const [charged] = await sql<{ attempts: number }[]>`
    SELECT (SELECT coalesce(sum(attempts), 0) FROM ingest_items)::int + (SELECT count(*) FROM ingest_failures)::int AS attempts`
  return charged?.attempts ?? 0
}
