import { DrizzleQueryError, sql } from 'drizzle-orm'
import { connect as connectSocket } from 'node:net'
import type { Socket } from 'node:net'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

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
  /** A connection that is not used so long is closed; 20 s by default. */
  idleTimeoutMs?: number
  /** Statements are planned once, without their values: for those whose plan should never depend on them. */
  genericPlans?: boolean
}

/** Not more than a statement may take: what vanished without a word is noticed after the longer of the two. */
const IDLE_TIMEOUT_MS = 20_000
/** What an answer may take on its way, beyond what the statement may take at the server. */
const WAY_MS = 5_000

/** Opens a bounded pool, lazily: the first statement connects, within 5 s or with an error. */
export function connect(options: ConnectionOptions): Connection {
  const { statementTimeoutMs, idleTimeoutMs = IDLE_TIMEOUT_MS, genericPlans = false } = options
  const client = postgres(options.databaseUrl, {
    ...(statementTimeoutMs > 0 ? socketOption(Math.max(statementTimeoutMs, idleTimeoutMs) + WAY_MS) : {}),
    idle_timeout: idleTimeoutMs / 1_000,
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
      statement_timeout: statementTimeoutMs,
      // Compiling a plan takes longer than any statement of these would gain by it; a high estimate alone brings it about.
      jit: 'off',
      // Left to choose, PostgreSQL plans some statements at each run, which takes longer than they do.
      ...(genericPlans ? { plan_cache_mode: 'force_generic_plan' } : {}),
      // A transaction whose process hangs or vanished must not keep its locks: whoever takes its item over needs them.
      idle_in_transaction_session_timeout: 20_000,
    },
  })
  return { db: drizzle(client), close: () => client.end({ timeout: 5 }) }
}

/** For postgres.js, which takes a socket's maker, though its types do not know it, and has no deadline for an answer. */
function socketOption(silenceMs: number) {
  let attempts = 0
  return {
    socket({ host, port, path }: { host: string[]; port: number[]; path: string | false }) {
      const turn = attempts++ % host.length
      const to = { host: host[turn] ?? 'localhost', port: port[turn] ?? 5432 }
      const socket = path === false ? connectSocket(to) : connectSocket(path)
      endWhenSilent(socket, silenceMs)
      // TLS names and checks the server by it.
      return Object.assign(socket, to)
    },
  }
}

/**
 * Ends a connection on which nothing came or went for longer than an unused one is kept and a statement runs: it owes
 * an answer that will not come, since the server or the way there vanished without a word (a failover, a firewall).
 */
function endWhenSilent(socket: Socket, silenceMs: number): void {
  let bytes = -1
  let since = 0
  const timer = setInterval(() => {
    const seen = socket.bytesRead + socket.bytesWritten
    if (seen !== bytes) {
      bytes = seen
      since = performance.now()
    } else if (performance.now() - since > silenceMs) socket.destroy()
    // Not by an event: for TLS postgres.js takes all listeners off.
    if (socket.destroyed) clearInterval(timer)
  }, silenceMs / 20)
  timer.unref()
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
    // Classes of PostgreSQL: connection, resources, shutdown or timeout, deadlock or serialization; read-only; idle in a transaction.
    if (/^(08|53|57|40|25006|25P03)/.test(code)) return true
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
