import { readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { codeOf, messageOf } from './error.js'

export interface Postmaster {
  pid: number
  port: number
  /** Whether it says that it accepts connections; false while it starts, recovers or stops. */
  ready: boolean
  /** Whether it says that it stops. */
  stopping: boolean
}

const ANSWER_TIMEOUT_S = 5

/** What `postmaster.pid` says, by line: pid, directory, start time, port, socket folder, address, memory key, state. */
export async function readPostmaster(data: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  })
  const lines = text.split('\n').map((line) => line.trim())
  const pid = Number(lines[0])
  if (!Number.isInteger(pid) || pid <= 0) return undefined
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7] === 'ready', stopping: lines[7] === 'stopping' }
}

/** The port of the last server that was started on it: PostgreSQL keeps that one's command line. */
export async function readLastPort(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'postmaster.opts'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  })
  const port = /"port=(\d{1,5})"/.exec(text)?.[1]
  return port === undefined ? undefined : Number(port)
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/**
 * Whether the process is a PostgreSQL that works in `data`. A pid is reused after a crash, and one that nobody has
 * reaped (in a container) is no server any more; only Linux lets us see that, elsewhere being alive must do.
 */
export async function isServerOf(pid: number, data: string): Promise<boolean> {
  if (!isAlive(pid)) return false
  if (process.platform !== 'linux') return true
  const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  if (!/^\d+ \(postgres\) [^ZX]/.test(status)) return false
  // Unreadable for another account's process in a container: then the name has to do.
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => data)
  return cwd === data
}

/** Connects and asks which directory the server serves; says why when it does not answer within 5 s. */
export async function askDirectory(url: string): Promise<{ directory: string } | { refusal: string }> {
  const sql = postgres(url, {
    max: 1,
    // Not PGSSL of the environment: this server has no TLS.
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
