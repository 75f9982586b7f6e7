import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type TestProcess, useProcesses, waitFor } from '@stockpile/test-harness/process'
import { afterEach, beforeEach } from 'vitest'

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url))
export const START = { deadlineMs: 30_000 }
export const STOP = { deadlineMs: 10_000 }

export interface NpmStart {
  /** The folder of STOCKPILE_HOME, which is a new one for each test. */
  home: () => string
  start: (env: Record<string, string>, args?: string[]) => TestProcess
  /** The process of PostgreSQL in the folder; undefined when there is none. */
  postmaster: () => Promise<number | undefined>
  /** The process of an npm start, its programs, and PostgreSQL. */
  everything: (started: TestProcess) => Promise<number[]>
}

/** Starts npm start in a new folder for each test. Nothing is left after a test, whether or not it failed. */
export function useNpmStart(): NpmStart {
  const processes = useProcesses()
  let home = ''

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'stockpile-local-'))
    // As root, PostgreSQL runs as another user, which must pass through the folder.
    await chmod(home, 0o755)
  })

  afterEach(async () => {
    // After a failed test PostgreSQL outlives the npm start that started it.
    const pid = await postmaster()
    if (pid !== undefined && isAlive(pid)) {
      process.kill(pid, 'SIGQUIT')
      await waitFor(() => !isAlive(pid), STOP)
    }
    await rm(home, { recursive: true, force: true })
  })

  async function postmaster(): Promise<number | undefined> {
    const text = await readFile(join(home, 'postgres', 'data', 'postmaster.pid'), 'utf8').catch(() => '')
    return text === '' ? undefined : Number(text.split('\n')[0])
  }

  return {
    home: () => home,
    start: (env, args = []) => processes.start(MAIN, { env: { STOCKPILE_HOME: home, ...env }, args }),
    postmaster,
    async everything({ pid }) {
      const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid='])
      const children = stdout
        .split('\n')
        .map((line) => line.trim().split(/\s+/).map(Number))
        .flatMap(([child, parent]) => (child !== undefined && parent === pid ? [child] : []))
      const server = await postmaster()
      return [...new Set([pid, ...children, ...(server === undefined ? [] : [server])])]
    },
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
