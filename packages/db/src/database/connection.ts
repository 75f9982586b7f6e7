import { DrizzleQueryError, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { postgresJsOptions } from './driver-options.js'
import { storageTrouble } from './storage-trouble.js'

export type Database = PostgresJsDatabase
/** The pool itself, never one of its transactions. */
export type Pool = Database & { $client: postgres.Sql }
/** A transaction, on which statements run as they do on the pool. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

/** An open pool of connections. */
export interface Connection {
  db: Pool
  /** Waits up to 5 s for statements under way, then ends the connections. */
  close: () => Promise<void>
}

export interface ConnectionOptions {
  databaseUrl: string
  /** Shown in pg_stat_activity. */
  applicationName: string
  maxConnections: number
  /** The server ends a statement that runs longer; 0: it ends none. */
  statementTimeoutMs: number
  /** The server ends a statement that waits longer for a lock (55P03); by default a statement may wait as long as it may run. */
  lockTimeoutMs?: number
  /** A connection that is idle for longer is closed; 20 s by default. */
  idleTimeoutMs?: number
  /** Whether the server plans each statement once, without its values, for statements whose plan must not depend on values. */
  genericPlans?: boolean
}

/** Not longer than a statement may take: a connection that vanished silently is noticed after the longer of the two. */
const IDLE_TIMEOUT_MS = 20_000
/** How long an answer may be on its way, beyond the time that the statement may take at the server. */
const WAY_MS = 5_000

/**
 * Opens a bounded pool. The first statement connects, or fails after 5 s (or the URL's connect_timeout).
 * @throws UrlError for a URL that cannot be used
 */
export function connect(options: ConnectionOptions): Connection {
  const { statementTimeoutMs, idleTimeoutMs = IDLE_TIMEOUT_MS, genericPlans = false } = options
  const client = postgres({
    ...postgresJsOptions(options.databaseUrl, {
      applicationName: options.applicationName,
      ...(statementTimeoutMs > 0 ? { silenceMs: Math.max(statementTimeoutMs, idleTimeoutMs) + WAY_MS } : {}),
      settings: {
        statement_timeout: String(statementTimeoutMs),
        lock_timeout: String(options.lockTimeoutMs ?? 0),
        // A high estimate makes PostgreSQL compile a plan, which takes longer than any statement here would gain.
        jit: 'off',
        // With `auto` PostgreSQL plans some statements at each run, which takes longer than the statements do.
        plan_cache_mode: genericPlans ? 'force_generic_plan' : 'auto',
      },
    }),
    idle_timeout: idleTimeoutMs / 1_000,
    max: options.maxConnections,
    // Arrays are read as JSON. With `fetch_types` each connection asks for array types, and nobody awaits the answer: its
    // rejection, when the connection is cut just then, would end the process.
    fetch_types: false,
    // In seconds. By default the driver waits up to 20 s before it tries a server again that was away.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    onnotice: () => {},
  })
  return { db: drizzle(client), close: () => client.end({ timeout: 5 }) }
}

/** Asks the server for an answer. @throws when there is none; see `isUnavailable` */
export async function ping(db: Database): Promise<void> {
  await db.execute(sql`SELECT 1`)
}

/**
 * Whether another try can succeed: the server is away (refused, reset, shutting down, too many connections), cannot store
 * anything (`storageTrouble`), or ended the statement or transaction because of others. False for a statement that is wrong.
 */
export function isUnavailable(error: unknown): boolean {
  if (storageTrouble(error) !== null) return true
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : ''
    // A pooler that refuses our startup parameters will always refuse them; other errors of class 08 are temporary.
    if (code === '08P01' && cause.message.includes('startup parameter')) return false
    // SQLSTATE classes: connection (08), resources (53), shutdown or timeout (57), deadlock or serialization (40); idle in a transaction (25P03).
    if (/^(08|53|57|40|25P03)/.test(code)) return true
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
 * Takes the driver's error out of drizzle's, whose message repeats the whole statement with its parameters: a megabyte for
 * an upsert, and no text for a log or a board. Returns other errors as they are.
 */
export function withoutParameters(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? (error.cause ?? new Error('a statement failed')) : error
}
