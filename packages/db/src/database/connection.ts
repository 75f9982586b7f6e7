import { DrizzleQueryError, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'
import { postgresJsOptions } from './driver-options.js'
import { storageTrouble } from './storage-trouble.js'

export type Database = PostgresJsDatabase
/** The pool itself, no transaction of it. */
export type Pool = Database & { $client: postgres.Sql }
/** What a statement runs on: the pool, or one transaction of it. */
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0]

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
  /** The server ends a statement that runs longer; 0: none. */
  statementTimeoutMs: number
  /** The server ends a statement that waits longer for somebody's lock (55P03); by default as long as it may run. */
  lockTimeoutMs?: number
  /** A connection that is not used so long is closed; 20 s by default. */
  idleTimeoutMs?: number
  /** Statements are planned once, without their values: for those whose plan should never depend on them. */
  genericPlans?: boolean
}

/** Not more than a statement may take: what vanished without a word is noticed after the longer of the two. */
const IDLE_TIMEOUT_MS = 20_000
/** What an answer may take on its way, beyond what the statement may take at the server. */
const WAY_MS = 5_000

/**
 * Opens a bounded pool, lazily: the first statement connects, within 5 s (or the URL's connect_timeout) or with an error.
 * @throws UrlError for a URL that says nothing sound
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
        // Compiling a plan takes longer than any statement of these would gain by it; a high estimate alone brings it about.
        jit: 'off',
        // Left to choose, PostgreSQL plans some statements at each run, which takes longer than they do.
        plan_cache_mode: genericPlans ? 'force_generic_plan' : 'auto',
      },
    }),
    idle_timeout: idleTimeoutMs / 1_000,
    max: options.maxConnections,
    // Arrays are read as JSON. Asking for their types at each connection is an answer nobody waits for: when the
    // connection is cut just then, its rejection would end the process.
    fetch_types: false,
    // Seconds. By default a server that was away is not asked again for up to 20 s after its return.
    backoff: (retries: number) => Math.min(0.05 * 2 ** retries, 1),
    onnotice: () => {},
  })
  return { db: drizzle(client), close: () => client.end({ timeout: 5 }) }
}

/** @throws when the server does not answer; see `isUnavailable` */
export async function ping(db: Database): Promise<void> {
  await db.execute(sql`SELECT 1`)
}

/**
 * True for what another try can mend: the server is away (refused, reset, shutting down, too many connections), can store
 * nothing (`storageTrouble`), or ended the statement or the transaction for others' sake. False for a statement that is wrong.
 */
export function isUnavailable(error: unknown): boolean {
  if (storageTrouble(error) !== null) return true
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = 'code' in cause ? String(cause.code) : ''
    // A pooler that will never let us in; others of the class are of the moment.
    if (code === '08P01' && cause.message.includes('startup parameter')) return false
    // Classes of PostgreSQL: connection, resources, shutdown or timeout, deadlock or serialization; idle in a transaction.
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
 * The driver's error instead of drizzle's around it, whose message repeats the whole statement with its
 * parameters: a megabyte for an upsert, and no text for a log or a board.
 */
export function withoutParameters(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? (error.cause ?? new Error('a statement failed')) : error
}
