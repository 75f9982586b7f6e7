import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach } from 'vitest'
import { slowness } from './patience.js'

export interface ProcessOptions {
  args?: string[]
  /** All environment variables of the process; only PATH is added. */
  env?: Record<string, string>
}

export interface TestProcess {
  pid: number
  /** The lines that the process has written so far, to stdout and stderr. */
  lines: string[]
  /** Resolves with the first line that matches, past or future; rejects with all lines at the deadline or when the process ends. */
  waitForLine(pattern: RegExp, options: { deadlineMs: number }): Promise<string>
  /** Resolves with the exit code, or with the signal that ended the process; rejects at the deadline. */
  waitForExit(options: { deadlineMs: number }): Promise<number | NodeJS.Signals>
  /** Sends a signal to the process and its children. */
  signal(name: NodeJS.Signals): void
}

const POLL_MS = 10

/** Starts a built main.js in a process group of its own. Tests use `useProcesses` instead, which also ends the process. */
export function startProcess(file: string, { args = [], env = {} }: ProcessOptions = {}): TestProcess {
  const child = spawn(process.execPath, [file, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${file} could not be started`)
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  }
  let ended: number | NodeJS.Signals | undefined
  // Node emits 'close' once all output has been read.
  child.once('close', (code, signal) => (ended = signal ?? code ?? 0))
  const transcript = () => `\n--- ${file} wrote:\n${lines.join('\n')}`
  return {
    pid,
    lines,
    async waitForLine(pattern, { deadlineMs }) {
      const find = () => lines.find((line) => pattern.test(line))
      await waitFor(() => find() !== undefined || ended !== undefined, { deadlineMs }).catch(() => undefined)
      const line = find()
      if (line !== undefined) return line
      const why = ended === undefined ? `within ${deadlineMs} ms` : `before it ended (${ended})`
      throw new Error(`${file} wrote no line like ${pattern} ${why}${transcript()}`)
    },
    async waitForExit({ deadlineMs }) {
      await waitFor(() => ended !== undefined, { deadlineMs }).catch(() => undefined)
      if (ended === undefined) throw new Error(`${file} still runs after ${deadlineMs} ms${transcript()}`)
      return ended
    },
    signal(name) {
      try {
        process.kill(-pid, name)
      } catch (error) {
        // ESRCH says that the group is gone already.
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
      }
    },
  }
}

/**
 * Returns `startProcess` for the tests of a file or describe block: processes of a test are killed after it. Called after
 * `useDatabase`, so that they end before their database is dropped.
 */
export function useProcesses(): { start: typeof startProcess } {
  const started: TestProcess[] = []
  afterEach(async () => {
    const left = started.splice(0)
    for (const one of left) one.signal('SIGKILL')
    await Promise.all(left.map((one) => one.waitForExit({ deadlineMs: 5_000 })))
  })
  return {
    start(file, options) {
      const one = startProcess(file, options)
      started.push(one)
      return one
    },
  }
}

/**
 * Asks again every 10 ms until the answer is neither false, null nor undefined, and returns it; for changes that emit no event.
 * Rejects after `deadlineMs` times the machine's `slowness`.
 */
export async function waitFor<T>(
  ask: () => T | Promise<T>,
  { deadlineMs, what = 'the condition' }: { deadlineMs: number; what?: string },
): Promise<Exclude<T, false | undefined | null>> {
  const startedAt = performance.now()
  for (;;) {
    const answer = await ask()
    if (isGiven(answer)) return answer
    const waitedMs = performance.now() - startedAt
    if (waitedMs > deadlineMs * slowness())
      throw new Error(`Waited ${Math.round(waitedMs)} ms in vain for ${what}`)
    await sleep(POLL_MS)
  }
}

function isGiven<T>(answer: T): answer is Exclude<T, false | undefined | null> {
  return answer !== false && answer !== undefined && answer !== null
}
