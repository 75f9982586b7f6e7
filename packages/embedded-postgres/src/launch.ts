import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { tick } from '@stockpile/time/wait'
import type { Binaries } from './binaries.js'
import { EmbeddedPostgresError, messageOf } from './error.js'
import { freePort, isFreePort } from './free-port.js'
import { askDirectory, readLastPort, readPostmaster } from './postmaster.js'
import { type Account, environment } from './program.js'

/** What one attempt to start a server needs. */
export interface LaunchOptions {
  binaries: Binaries
  data: string
  account: Account
  logFile: string
  settings: Record<string, string>
  /** Environment variables that the server gets beside those of `environment`. */
  variables: Record<string, string>
  urlOf: (port: number) => string
  /** Aborts when the server should have answered. */
  timeout: AbortSignal
  /** Whether to throw even when the server failed for a reason that passes. */
  isLastAttempt: boolean
}

const POLL_MS = 20
/** How long to wait between two attempts, while another starter or the processes of a killed server are busy. */
const RETRY_MS = 200
const LOG_TAIL_LINES = 12
const MAX_LOG_BYTES = 10 * 1024 * 1024
/** Messages of failures that pass: another starter was quicker, a program took the port, or a killed server's children still end. */
const PASSING = /lock file "postmaster\.pid" already exists|could not bind|pre-existing shared memory block/

/** A server that this process started. */
export interface Launched {
  pid: number
  port: number
  /** Whether the port is neither set nor the port of the last start. */
  isNewPort: boolean
}

/**
 * Starts a server and waits until it answers.
 * @returns the server, or 'again' when it failed for a reason that passes
 * @throws EmbeddedPostgresError when the server fails for a lasting reason, at the last attempt, or by the timeout
 */
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
    // The server has a session of its own, so that Ctrl-C in a terminal leaves stopping the server to this process.
    detached: true,
    windowsHide: true,
    stdio: ['ignore', log.fd, log.fd],
  })
  const outcome = watch(child)
  child.unref()
  await log.close()

  while (outcome.failure === undefined) {
    const found = await readPostmaster(options.data)
    if (found?.isReady === true && found.pid === child.pid) {
      const answer = await askDirectory(options.urlOf(port))
      if ('directory' in answer) return { pid: found.pid, port, isNewPort }
    }
    if (await tick(POLL_MS, options.timeout)) continue
    child.kill('SIGQUIT')
    throw new EmbeddedPostgresError(
      `PostgreSQL did not become ready in time; its log is ${options.logFile}.\n${await tail(options.logFile, logStart)}`,
    )
  }

  const said = await tail(options.logFile, logStart)
  if (PASSING.test(said) && !options.isLastAttempt) {
    await tick(RETRY_MS, options.timeout)
    return 'again'
  }
  throw new EmbeddedPostgresError(
    `PostgreSQL could not start (${outcome.failure}); its log is ${options.logFile}.\n${said}`,
  )
}

/** Chooses the port that is set, else the port of the last start while it is free, so that saved connections go on to work. */
async function choosePort({
  settings,
  data,
  timeout,
}: LaunchOptions): Promise<Pick<Launched, 'port' | 'isNewPort'> | 'again'> {
  if (settings['port'] === undefined) {
    const last = await readLastPort(data)
    return last !== undefined && (await isFreePort(last))
      ? { port: last, isNewPort: false }
      : { port: await freePort(), isNewPort: true }
  }
  const port = Number(settings['port'])
  if (await isFreePort(port)) return { port, isNewPort: false }
  // Another starter was quicker.
  if ((await readPostmaster(data)) !== undefined) {
    await tick(RETRY_MS, timeout)
    return 'again'
  }
  throw new EmbeddedPostgresError(
    `Port ${port} of 127.0.0.1, which PostgreSQL is to have, is taken by another program, or needs more rights: end that one, or choose another port.`,
  )
}

/** Follows a child process. @returns an object whose `failure` is set once the child ends or cannot be started */
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
