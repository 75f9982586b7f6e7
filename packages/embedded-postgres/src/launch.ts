import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Binaries } from './binaries.js'
import { EmbeddedPostgresError, messageOf } from './error.js'
import { freePort, isFreePort } from './free-port.js'
import { askDirectory, readLastPort, readPostmaster } from './postmaster.js'
import { type Account, environment } from './program.js'

export interface LaunchOptions {
  binaries: Binaries
  data: string
  account: Account
  logFile: string
  settings: Record<string, string>
  /** Added to `environment`. */
  variables: Record<string, string>
  urlOf: (port: number) => string
  /** On the clock of performance.now(), in ms. */
  deadline: number
  /** Whether to throw also for a reason that passes. */
  lastAttempt: boolean
}

const POLL_MS = 20
/** Between attempts while the processes of a crashed server still hold its memory. */
const RETRY_MS = 200
const LOG_TAIL_LINES = 12
const MAX_LOG_BYTES = 10 * 1024 * 1024
/** Another starter was quicker; somebody took the port; the children of a killed server are still ending. */
const PASSING = /lock file "postmaster\.pid" already exists|could not bind|pre-existing shared memory block/

export interface Launched {
  pid: number
  port: number
  /** Whether that is neither the one that is set nor that of the last start. */
  isNewPort: boolean
}

/** Starts a server and waits until it answers; 'again' when it failed for a reason that passes. Throws EmbeddedPostgresError. */
export async function launch(options: LaunchOptions): Promise<Launched | 'again'> {
  const chosen = await choosePort(options)
  if (chosen === 'again') return 'again'
  const { port, isNewPort } = chosen
  await rotate(options.logFile)
  const log = await open(options.logFile, 'a', 0o600)
  const logStart = (await log.stat()).size
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...options.settings,
  }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(options.binaries.postgres, ['-D', options.data, ...args], {
    ...environment,
    ...('env' in environment ? { env: { ...environment.env, ...options.variables } } : {}),
    ...options.account,
    cwd: dirname(options.data),
    // A session of its own, so that Ctrl-C in a terminal leaves the stop to us.
    detached: true,
    windowsHide: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  const outcome = watch(child)
  child.unref()
  await log.close()

  while (outcome.failure === undefined) {
    const found = await readPostmaster(options.data)
    if (found?.ready === true && found.pid === child.pid) {
      const answer = await askDirectory(options.urlOf(port))
      if ('directory' in answer) return { pid: found.pid, port, isNewPort }
    }
    if (performance.now() > options.deadline) {
      child.kill('SIGQUIT')
      throw new EmbeddedPostgresError(
        `PostgreSQL did not become ready in time; its log is ${options.logFile}.\n${await tail(options.logFile, logStart)}`,
      )
    }
    await sleep(POLL_MS)
  }

  const said = await tail(options.logFile, logStart)
  if (PASSING.test(said) && !options.lastAttempt) {
    await sleep(RETRY_MS)
    return 'again'
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL could not start (${outcome.failure}); its log is ${options.logFile}.\n${said}`,
  )
}

/** The one that is set; else that of the last start while it is free, so that what a person saved goes on to work. */
async function choosePort({
  settings,
  data,
}: LaunchOptions): Promise<Pick<Launched, 'port' | 'isNewPort'> | 'again'> {
  if (settings['port'] === undefined) {
    const last = await readLastPort(data)
    return last !== undefined && (await isFreePort(last))
      ? { port: last, isNewPort: false }
      : { port: await freePort(), isNewPort: true }
  }
  const port = Number(settings['port'])
  if (await isFreePort(port)) return { port, isNewPort: false }
  // A starter beside this one was quicker.
  if ((await readPostmaster(data)) !== undefined) {
    await sleep(RETRY_MS)
    return 'again'
  }
  throw new EmbeddedPostgresError(
    `Port ${port} of 127.0.0.1, which PostgreSQL is to have, is taken by another program, or needs more rights: end that one, or choose another port.`,
  )
}

function watch(child: ChildProcess): { failure: string | undefined } {
  const outcome: { failure: string | undefined } = { failure: undefined }
  child.once('error', (error) => (outcome.failure = messageOf(error)))
  child.once('exit', (code, signal) => (outcome.failure = signal ?? `exit code ${code}`))
  return outcome
}

async function rotate(logFile: string): Promise<void> {
  const found = await stat(logFile).catch(() => undefined)
  if (found !== undefined && found.size > MAX_LOG_BYTES) await rename(logFile, `${logFile}.1`)
}

async function tail(logFile: string, fromByte: number): Promise<string> {
  const bytes = await readFile(logFile)
  return bytes.subarray(fromByte).toString('utf8').trim().split('\n').slice(-LOG_TAIL_LINES).join('\n')
}
