import { DrizzleQueryError, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

export type Database = PostgresJsDatabase
/** What a statement runs on: the pool, or one transaction of it. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

export interface Connection {
  db: Database
  /** Waits up to 5 s for statements under way, then ends the connections. */
  close: () => Promise<void>
}

export interface ConnectionOptions {
  databaseUrl: string
  /** Shown in pg_stat_activity. */
  applicationName: string
  maxConnections: number
  /** The server ends a statement that runs longer. */
  statementTimeoutMs: number
}

/** Opens a bounded pool, lazily: the first statement connects, within 5 s or with an error. */
export function connect(options: ConnectionOptions): Connection {
  const client = postgres(options.databaseUrl, {
    max: options.maxConnections,
    connect_timeout: 5,
    // Arrays are read as JSON. Asking for their types at each connection is an answer nobody waits for: when the
    // connection is cut just then, its rejection would end the process.
    fetch_types: false,
    // Seconds. By default a server that was away is not asked again for up to 20 s after its return.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    onnotice: () => {},
    connection: {
      application_name: options.applicationName,
      statement_timeout: options.statementTimeoutMs,
      // A transaction whose process hangs must not keep its locks.
      idle_in_transaction_session_timeout: 60_000,
    },
  })
  return { db: drizzle(client), close: () => client.end({ timeout: 5 }) }
}

/** @throws when the server does not answer; see `isUnavailable` */
export async function ping(db: Database): Promise<void> {
  await db.execute(sql`SELECT 1`)
}

/**
 * True for what another try can mend: the server is away (refused, reset, shutting down, too many connections), or ended
 * the statement or the transaction for others' sake. False for a statement that is wrong.
 */
export function isUnavailable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : ''
    // Classes of PostgreSQL: connection, resources, shutdown or timeout, deadlock or serialization; read-only.
    if (/^(08|53|57|40|25006)/.test(code)) return true
    if (
      /^(CONNECT_TIMEOUT|CONNECTION_(CLOSED|ENDED|DESTROYED)|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/.test(
        code,
      )
    )
      return true
    if (cause instanceof AggregateError && cause.errors.some(isUnavailable)) return true
  }
  return false
}

/**
 * The driver's error instead of drizzle's around it, whose message repeats the whole statement with its
 * parameters: a megabyte for an upsert, and no text for a log or a board.
 */
export function withoutParameters(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? (error.cause ?? new Error('a statement failed')) : error
}
