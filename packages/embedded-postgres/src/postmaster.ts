import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { tick } from '@stockpile/time/wait'
import postgres from 'postgres'
import { codeOf, messageOf } from './error.js'

/** A server as its lock file `postmaster.pid` describes it. */
export interface Postmaster {
  pid: number
  port: number
  /** Whether the server accepts connections; false while the server starts, recovers or stops. */
  isReady: boolean
  /** Whether the server is shutting down. */
  isStopping: boolean
}

const ANSWER_TIMEOUT_S = 5
const POLL_MS = 20

/**
 * Reads `postmaster.pid`, whose lines are pid, directory, start time, port, socket folder, address, memory key, state.
 * @returns undefined when the file is missing or holds no pid
 */
export async function readPostmaster(data: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  })
  const lines = text.split('\n').map((line) => line.trim())
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  return {
    pid,
    port: Number(lines[3] ?? 0),
    isReady: lines[7] === 'ready',
    isStopping: lines[7] === 'stopping',
  }
}

/** Returns the port of the last server on this data, from the command line that PostgreSQL keeps in `postmaster.opts`. */
export async function readLastPort(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.opts'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  })
  const port = /"port=(\d{1,5})"/.exec(text)?.[1]
  return port === undefined ? undefined : Number(port)
}

/** Tells whether a process with this pid exists, of any user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * Tells whether the process is a PostgreSQL server that works in `data`. After a crash another process may have the pid, and
 * in a container an ended server may remain as a zombie. Only Linux tells the difference; elsewhere every living process
 * counts.
 */
export async function isServerOf(pid: number, data: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return true
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  if (!/^\d+ \(postgres\) [^ZX]/.test(status)) return false
  // In a container the folder of another account's process may be unreadable: then the name of the program must do.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => data)
  return cwd === data
}

/** Waits until the server has ended, at most `timeoutMs`. @returns whether the server has ended */
export async function hasEndedWithin(pid: number, data: string, timeoutMs: number): Promise<boolean> {
  const timeout = AbortSignal.timeout(timeoutMs)
  while (await isServerOf(pid, data)) {
    if (!(await tick(POLL_MS, timeout))) return !(await isServerOf(pid, data))
  }
  return true
}

/** Connects, and asks which directory the server serves. @returns the reason when the server does not answer within 5 s */
export async function askDirectory(url: string): Promise<{ directory: string } | { refusal: string }> {
  const sql = postgres(url, {
    max: 1,
    // Without this setting, PGSSL of the environment would ask for TLS, which this server does not have.
    ssl: false,
    connect_timeout: ANSWER_TIMEOUT_S,
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: 'stockpile-launcher' },
  })
  try {
    const [row] = await sql<{ directory: string }[]>`select current_setting('data_directory') as directory`
    return row ?? { refusal: 'It answered with no row' }
  } catch (error) {
    return { refusal: messageOf(error) }
  } finally {
    await sql.end({ timeout: 1 })
  }
}
