import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { parseDatabaseUrl, withDatabase, withPassword, withUser } from '@stockpile/db/database-url'
import { errorSentence } from '@stockpile/db/error-sentence'
import { EmbeddedPostgresError, startEmbeddedPostgres } from '@stockpile/embedded-postgres'
import { processRoles } from '@stockpile/db/roles'
import type { ProcessName } from '@stockpile/db/roles'
import type { Config } from '../settings/config.js'
import { deferred } from '../promises.js'
import { CopyTakenError, ENDED, takeCopyLock } from './copy-lock.js'
import { StartError } from '../errors.js'
import { withConnection } from './with-connection.js'

/** Ends the name of the database with the simulator's prices, which never share one with real prices. */
const SIMULATED_SUFFIX = '_simulated'
const EMBEDDED_DATABASE = 'stockpile'
/** Enough connections for WORKER_CONCURRENCY=64: a worker has two for each item in flight, for its rows and for its job. */
const SETTINGS = { max_connections: '250' }
/** The folder of the embedded server, in STOCKPILE_HOME. */
export const POSTGRES_FOLDER = 'postgres'
/** An npm start that is just stopping may stop the embedded server under another one, which then starts it again. */
const MAX_ATTEMPTS = 3
const WATCH_MS = 1_000

export interface DatabaseServer {
  /** The URL of the database, as its owner, with the password. */
  databaseUrl: string
  /** The passwords of API and worker, whose roles change no table; undefined: both connect as the user of DATABASE_URL. */
  rolePasswords: Record<ProcessName, string> | undefined
  /** Undefined for a DATABASE_URL. */
  embedded:
    | {
        passwordFile: string
        /**
         * Tells this server from any other, also from an earlier one in the same folder: 16 hexadecimal digits. A queue
         * on Redis outlives the database, and its jobs mean nothing to the next database.
         */
        identity: string
        /** Whether the server has another port than at the last start. */
        isNewPort: boolean
        /** Whether the server outlived the npm start that started it. */
        survived: boolean
      }
    | undefined
  /** Rejects with StartError when the server is gone for good. */
  lost: Promise<never>
  /** Why an embedded server is gone for good, as of now; undefined while it is there, and for any other server. */
  lookForLoss(): Promise<StartError | undefined>
  /** Stops an embedded server and waits for its end. */
  close(): Promise<void>
}

/**
 * Gives the server of DATABASE_URL, or starts the embedded one in `home`, which no other npm start uses then.
 * @param log takes a line that says where the data went when that is not `home`
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
        // These passwords are new at each start and kept nowhere: only the API and the worker use them.
        rolePasswords: { api: newPassword(), worker: newPassword() },
        embedded: {
          passwordFile: join(server.folder, 'password'),
          identity,
          isNewPort: server.isNewPort,
          survived: server.wasAdopted,
        },
        lost: Promise.race([lock.lost, watch.lost]),
        lookForLoss,
        async close() {
          watch.stop()
          // The lock is released last: another npm start must not be given a server that is about to end.
          await server.stop()
          await lock.release()
        },
      }
    } catch (error) {
      // Another npm start has the server, which is left alone.
      if (error instanceof StartError) throw error
      // Another npm start stopped the server meanwhile.
      if (attempt === MAX_ATTEMPTS) throw new StartError(errorSentence(error) ?? ENDED, { cause: error })
    }
  }
}

/** A server to work on for a moment, beside an npm start that runs or without one. */
export interface MaintenanceServer {
  /** The URL of the database with real prices, or with the simulator's. */
  urlOf(simulated: boolean): string
  /** Stops an embedded server, unless an npm start runs on it. */
  close(): Promise<void>
}

/**
 * Gives the server of DATABASE_URL, or the embedded one in `home`, for a backup or a restore.
 * @param log takes a line that says where the data went when that is not `home`
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
  // With the lock this process may stop the server at the end: an npm start that comes meanwhile is told to wait.
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

/** Looks for the server's lock file each second: a server that is told to stop keeps connections for as long as they are used. */
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

/** The URL of the database for a process, as the process's role. */
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

async function identityOf(url: string): Promise<string> {
  const rows = await withConnection(
    url,
    (sql) => sql<{ identity: string }[]>`
      select to_hex(system_identifier) as identity from pg_control_system()`,
  )
  return rows[0]?.identity ?? 'unknown'
}
