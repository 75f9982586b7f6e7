import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The built programs, as production runs them. */
const PROGRAMS = {
  api: fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url)),
  worker: fileURLToPath(new URL('../../apps/worker/dist/main.js', import.meta.url)),
  simulator: fileURLToPath(new URL('../../packages/alphavantage/dist/simulator/main.js', import.meta.url)),
}
/** A machine that does much else has needed more than 30 s. */
const START_DEADLINE_MS = 90_000
const STOP_DEADLINE_MS = 30_000

export interface RunningProgram {
  pid: number
  /** Where it listens; empty for a worker. */
  url: string
  /** What it wrote so far. */
  output: () => string
  child: ChildProcess
  /** Ends it with SIGTERM; resolves with its exit code. */
  stop(): Promise<number | null>
}

/** Starts a program and waits until it serves: an API or a simulator that listens, a worker that works. */
export async function startProgram(
  program: keyof typeof PROGRAMS,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
): Promise<RunningProgram> {
  const child = fork(PROGRAMS[program], args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Not this process's own options: the programs run from their build.
    execArgv: [],
  })
  let output = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const exited = once(child, 'exit')
  const url = new Promise<string>((resolve) => {
    child.on('message', (message: unknown) => {
      if (typeof message === 'object' && message !== null && 'url' in message) resolve(String(message.url))
    })
    if (program === 'worker')
      child.stdout?.on('data', () => output.includes('"msg":"working"') && resolve(''))
  })
  // Once all that it wrote was read.
  const early = once(child, 'close').then(([code]) => {
    throw new Error(`${program} ended with ${code} before it served:\n${output}`)
  })
  const late = AbortSignal.timeout(START_DEADLINE_MS)
  const started = await Promise.race([url, early, once(late, 'abort').then(() => undefined)])
  if (started === undefined || child.pid === undefined) {
    child.kill('SIGKILL')
    throw new Error(`${program} did not serve within ${START_DEADLINE_MS} ms:\n${output}`)
  }
  early.catch(() => {})
  return {
    pid: child.pid,
    url: started,
    child,
    output: () => output,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGTERM')
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS)
        await exited
        clearTimeout(timer)
      }
      return child.exitCode
    },
  }
}
