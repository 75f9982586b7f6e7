import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { waitFor } from '@stockpile/test-harness/process'
import postgres from 'postgres'
import { prepareDatabase } from '../../servers/prepare-database.js'
import type { Watchdog } from '../../servers/watchdog.js'

export interface PostgresServer {
  /** The URL of a database for its owner; the programs under test connect with roles of their own. */
  appUrlOf(database: string): string
  /** The URL of a database for the superuser. */
  adminUrlOf(database: string): string
  /** Makes a copy of the migrated template, or with `empty` a database without any table. */
  createDatabase(name: string, options?: { empty?: boolean }): Promise<void>
  log(): Promise<string>
  /** Ends the server as a crash does: no transaction is finished. Does nothing when the server has ended by itself. */
  crash(): Promise<void>
  /** Starts the server again after a crash, on its old data and a new port. */
  restart(): Promise<void>
  stop(): Promise<void>
}

const TEMPLATE = 'template_faults'
/** The role that owns all tables. */
const ROLE = 'stockpile_app'
/** The SQL that limits how many connections each program under test may have; -1 is any number. */
export function limitConnections(connections: number): string {
  return ['stockpile_api', 'stockpile_worker']
    .map((role) => `ALTER ROLE ${role} CONNECTION LIMIT ${connections}`)
    .join('; ')
}
/** Leaves out fsync, since the machine does not lose power. The rest is as in production, so a crash loses nothing. */
const SETTINGS = { fsync: 'off', max_connections: '200', shared_buffers: '128MB' }
const CRASH_DEADLINE_MS = 15_000

/**
 * Starts a PostgreSQL server with a migrated template database.
 * @param variables environment variables of the server
 */
export async function startPostgres(
  directory: string,
  watchdog: Watchdog,
  variables: Record<string, string> = {},
): Promise<PostgresServer> {
  const start = async () => {
    const started = await startEmbeddedPostgres({ directory, settings: SETTINGS, variables })
    watchdog.guard(started.pid, started.folder)
    return started
  }
  let server = await start()
  const urlOf = (database: string, user?: string) => {
    const url = new URL(server.url)
    url.pathname = `/${database}`
    if (user !== undefined) url.username = url.password = user
    return url.href
  }
  const asAdmin = async (work: (sql: postgres.Sql) => Promise<unknown>) => {
    const sql = postgres(server.url, { max: 1, onnotice: () => {} })
    try {
      await work(sql)
    } finally {
      await sql.end({ timeout: 5 })
    }
  }
  const stop = async () => {
    await server.stop()
    await rm(server.folder, { recursive: true, force: true })
  }
  try {
    await asAdmin(async (sql) => {
      await sql.unsafe(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${ROLE}'`)
      await sql.unsafe(`CREATE DATABASE ${TEMPLATE} OWNER ${ROLE}`)
    })
    await prepareDatabase(urlOf(TEMPLATE, ROLE), urlOf(TEMPLATE))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    appUrlOf: (database) => urlOf(database, ROLE),
    adminUrlOf: (database) => urlOf(database),
    createDatabase: (name, { empty = false } = {}) =>
      asAdmin((sql) =>
        sql.unsafe(
          `CREATE DATABASE ${name} OWNER ${ROLE} TEMPLATE ${empty ? 'template0' : `${TEMPLATE} STRATEGY file_copy`}`,
        ),
      ),
    log: () => readFile(join(server.folder, 'postgres.log'), 'utf8'),
    async crash() {
      if (isAlive(server.pid)) process.kill(server.pid, 'SIGQUIT')
      await waitFor(() => !isAlive(server.pid), {
        deadlineMs: CRASH_DEADLINE_MS,
        what: 'the end of PostgreSQL',
      })
    },
    async restart() {
      server = await start()
    },
    stop,
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
