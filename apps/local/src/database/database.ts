import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseDatabaseUrl, withDatabase, withPassword, withUser } from '@stockpile/db/database-url'
import { pgOptions, postgresJsOptions } from '@stockpile/db/driver-options'
import { errorSentence } from '@stockpile/db/error-sentence'
import { describeMigrated, migrate } from '@stockpile/db/migrate'
import { EmbeddedPostgresError, startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { prepareRoles, processRoles } from '@stockpile/db/roles'
import type { ProcessName } from '@stockpile/db/roles'
import { migrateQueue, QUEUE_SCHEMA } from '@stockpile/queue/backend'
import postgres from 'postgres'
import type { Config } from '../settings/config.js'
import { deferred } from '../deferred.js'
import { CopyTakenError, ENDED, takeCopyLock } from './lock.js'
import { codeOf, messageOf, StartError } from '../start-error.js'

/** Made-up prices never share a database with real ones. */
const SIMULATED_SUFFIX = '_simulated'
const EMBEDDED_DATABASE = 'stockpile'
/** Enough for WORKER_CONCURRENCY=64: each worker slot has a connection for its rows and one for its job. */
const SETTINGS = { max_connections: '250' }
/** Of the embedded server, in STOCKPILE_HOME. */
export const POSTGRES_FOLDER = 'postgres'
const MAX_ATTEMPTS = 3
/** PostgreSQL's code for a database that is not there. */
const INVALID_CATALOG_NAME = '3D000'
const POLL_MS = 100
const WATCH_MS = 1_000

export interface DatabaseServer {
  /** The database to use, with its password, as its owner. */
  databaseUrl: string
  /** Of the roles of API and worker, which change no table; undefined: both connect as the user of DATABASE_URL. */
  rolePasswords: Record<ProcessName, string> | undefined
  /** Undefined for a DATABASE_URL. */
  embedded:
    | {
        passwordFile: string
        /**
         * Tells it from any other, also from an earlier one in the same folder: 16 hexadecimal digits. A queue on
         * Redis outlives the database, and its jobs mean nothing to the next one.
         */
        identity: string
        /** Whether its port is another than at the last start. */
        isNewPort: boolean
        /** Whether it outlived the npm start that started it. */
        survived: boolean
      }
    | undefined
  /** Rejects with StartError when the server is gone for good. */
  lost: Promise<never>
  /** Looks now: why an embedded server is gone for good; undefined while it is there, and for any other. */
  lookForLoss(): Promise<StartError | undefined>
  /** Stops an embedded server and waits for its end. */
  close(): Promise<void>
}

/**
 * The server of DATABASE_URL, or the embedded one in `home`, which then is this process's alone.
 * @param log told where the data went when that is not `home`
 * @throws StartError
 */
export async function openDatabaseServer(
  config: Pick<Config, 'home' | 'databaseUrl' | 'postgresPort' | 'simulated'>,
  log: (line: string) => void,
): Promise<DatabaseServer> {
  const suffix = config.simulated ? SIMULATED_SUFFIX : ''
  if (config.databaseUrl !== undefined) {
    const { database } = parseDatabaseUrl(config.databaseUrl)
    return {
      databaseUrl: withDatabase(config.databaseUrl, `${database}${suffix}`),
      rolePasswords: undefined,
      embedded: undefined,
      lost: new Promise(() => {}),
      lookForLoss: async () => undefined,
      close: async () => {},
    }
  }
  for (let attempt = 1; ; attempt += 1) {
    const server = await startServer(config, log)
    try {
      const lock = await takeCopyLock(server.url)
      const identity = await identityOf(server.url).catch(async (error: unknown) => {
        await lock.release()
        throw error
      })
      const lookForLoss = async () => ((await server.hasEnded()) ? new StartError(ENDED) : undefined)
      const watch = watchServer(lookForLoss)
      return {
        databaseUrl: withDatabase(server.url, `${EMBEDDED_DATABASE}${suffix}`),
        // New at each start, and kept nowhere: nobody but these two processes uses them.
        rolePasswords: { api: newPassword(), worker: newPassword() },
        embedded: {
          passwordFile: join(server.folder, 'password'),
          identity,
          isNewPort: server.isNewPort,
          survived: server.adopted,
        },
        lost: Promise.race([lock.lost, watch.lost]),
        lookForLoss,
        async close() {
          watch.stop()
          // The lock goes last: who starts now must not be given a server that is about to end.
          await server.stop()
          await lock.release()
        },
      }
    } catch (error) {
      // A second copy leaves the first one's server alone.
      if (error instanceof StartError) throw error
      // The first copy stopped it under our hands.
      if (attempt === MAX_ATTEMPTS) throw new StartError(errorSentence(error) ?? ENDED, { cause: error })
    }
  }
}

/** A server to work on for a moment, beside an npm start that runs or without one. */
export interface MaintenanceServer {
  /** Of the database with real prices, or with the simulator's. */
  urlOf(simulated: boolean): string
  /** Stops an embedded server, unless an npm start runs on it. */
  close(): Promise<void>
}

/**
 * The server of DATABASE_URL, or the embedded one in `home`.
 * @param log told where the data went when that is not `home`
 * @throws StartError
 */
export async function openForMaintenance(
  config: Pick<Config, 'home' | 'databaseUrl' | 'postgresPort'>,
  log: (line: string) => void,
): Promise<MaintenanceServer> {
  const urlOf = (url: string, database: string) => (simulated: boolean) =>
    withDatabase(url, `${database}${simulated ? SIMULATED_SUFFIX : ''}`)
  const { databaseUrl } = config
  if (databaseUrl !== undefined) {
    return { urlOf: urlOf(databaseUrl, parseDatabaseUrl(databaseUrl).database), close: async () => {} }
  }
  const server = await startServer(config, log)
  // With the lock it is ours to stop: an npm start that comes meanwhile is told to wait.
  const lock = await takeCopyLock(server.url).catch((error: unknown) => {
    if (error instanceof CopyTakenError) return undefined
    throw error
  })
  return {
    urlOf: urlOf(server.url, EMBEDDED_DATABASE),
    async close() {
      if (lock === undefined) return
      await server.stop()
      await lock.release()
    },
  }
}

/** Whether the database is there and has been prepared once. */
export async function hasTables(databaseUrl: string): Promise<boolean> {
  try {
    const rows = await withConnection(
      databaseUrl,
      (sql) => sql<{ known: boolean }[]>`select to_regclass('public.ingest_runs') is not null as known`,
    )
    return rows[0]?.known === true
  } catch (error) {
    if (codeOf(error) === INVALID_CATALOG_NAME) return false
    throw error
  }
}

/** By its lock file: a server that is told to stop keeps our connections for as long as we do. */
function watchServer(lookForLoss: DatabaseServer['lookForLoss']): { lost: Promise<never>; stop: () => void } {
  const { promise: lost, reject } = deferred<never>()
  const look = async () => {
    const loss = await lookForLoss()
    if (loss !== undefined) reject(loss)
  }
  const timer = setInterval(() => void look().catch(reject), WATCH_MS)
  return { lost, stop: () => clearInterval(timer) }
}

function newPassword(): string {
  return randomBytes(24).toString('base64url')
}

/** The database as a process connects to it. */
export function processUrl(
  { databaseUrl, rolePasswords }: Pick<DatabaseServer, 'databaseUrl' | 'rolePasswords'>,
  name: ProcessName,
): string {
  return rolePasswords === undefined
    ? databaseUrl
    : withPassword(
        withUser(databaseUrl, processRoles(parseDatabaseUrl(databaseUrl).database)[name]),
        rolePasswords[name],
      )
}

async function startServer(
  { home, postgresPort }: Pick<Config, 'home' | 'postgresPort'>,
  log: (line: string) => void,
) {
  const settings = postgresPort === undefined ? SETTINGS : { ...SETTINGS, port: String(postgresPort) }
  try {
    return await startEmbeddedPostgres({ directory: join(home, POSTGRES_FOLDER), settings, log })
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw new StartError(error.message, { cause: error })
    throw error
  }
}

/**
 * Makes the database where it is missing, brings it and BullMQ's tables in it to this code's schema, and makes the roles of
 * API and worker.
 * @returns a sentence when it was an earlier build's and had to be repaired
 * @throws StartError
 */
export async function prepareDatabase({
  databaseUrl,
  rolePasswords,
}: Pick<DatabaseServer, 'databaseUrl' | 'rolePasswords'>): Promise<string | undefined> {
  try {
    await createIfMissing(databaseUrl)
    const migrated = await migrate(databaseUrl)
    await migrateQueue(pgOptions(databaseUrl))
    if (rolePasswords !== undefined)
      await prepareRoles(databaseUrl, { passwords: rolePasswords, queueSchema: QUEUE_SCHEMA })
    return migrated.repaired.length > 0 || migrated.corrected > 0 ? describeMigrated(migrated) : undefined
  } catch (error) {
    if (error instanceof StartError) throw error
    const sentence = errorSentence(error)
    if (sentence === undefined) throw error
    throw new StartError(sentence, { cause: error })
  }
}

async function createIfMissing(databaseUrl: string): Promise<void> {
  const DUPLICATE_DATABASE = '42P04'
  try {
    await withConnection(databaseUrl, (sql) => sql`select 1`)
    return
  } catch (error) {
    if (codeOf(error) !== INVALID_CATALOG_NAME) throw error
  }
  const maintenance = withDatabase(databaseUrl, 'postgres')
  const name = parseDatabaseUrl(databaseUrl).database
  // Whatever encoding the server's databases have by default.
  const create = (sql: postgres.Sql) => sql`create database ${sql(name)} encoding 'UTF8' template template0`
  await withConnection(maintenance, create).catch((error: unknown) => {
    if (codeOf(error) !== DUPLICATE_DATABASE) {
      throw new StartError(`There is no database ${name}, and it cannot be made: ${messageOf(error)}.`)
    }
  })
}

async function identityOf(url: string): Promise<string> {
  const rows = await withConnection(
    url,
    (sql) => sql<{ identity: string }[]>`
      select to_hex(system_identifier) as identity from pg_control_system()`,
  )
  return rows[0]?.identity ?? 'unknown'
}

/**
 * Waits for the programs of a killed start to end: they do by themselves, but may have work in their hands.
 * @returns false when some are still there after `deadlineMs`
 */
export async function waitForOldPrograms(
  databaseUrl: string,
  options: { deadlineMs: number; signal: AbortSignal; onWaiting: () => void },
): Promise<boolean> {
  const deadline = performance.now() + options.deadlineMs
  return withConnection(databaseUrl, async (sql) => {
    for (let told = false; ;) {
      const [row] = await sql<{ left: number }[]>`
        select count(*)::int as left from pg_stat_activity
         where datname = current_database() and application_name in ('stockpile-api', 'stockpile-api-data', 'stockpile-worker', 'stockpile-queue')`
      if (row?.left === 0) return true
      if (performance.now() > deadline) return false
      if (!told) options.onWaiting()
      told = true
      await sleep(POLL_MS, undefined, { signal: options.signal })
    }
  })
}

async function withConnection<T>(url: string, work: (sql: postgres.Sql) => PromiseLike<T>): Promise<T> {
  const sql = postgres({
    ...postgresJsOptions(url, { applicationName: 'stockpile-start' }),
    max: 1,
    fetch_types: false,
    onnotice: () => undefined,
  })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 1 })
  }
}
