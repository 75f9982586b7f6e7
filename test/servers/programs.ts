import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** The built programs that production runs, and the simulator. */
const PROGRAMS = {
  api: fileURLToPath(new URL('../../apps/api/dist/main.js', import.meta.url)),
  worker: fileURLToPath(new URL('../../apps/worker/dist/main.js', import.meta.url)),
  simulator: fileURLToPath(new URL('../../packages/alphavantage/dist/simulator/main.js', import.meta.url)),
}
/** A busy machine has needed more than 30 s. */
const START_DEADLINE_MS = 90_000
const STOP_DEADLINE_MS = 30_000

export interface RunningProgram {
  pid: number
  /** Where the program listens; empty for a worker. */
  url: string
  /** What the program has written so far. */
  output: () => string
  child: ChildProcess
  /** Ends the program with SIGTERM, and after 30 s with SIGKILL; resolves with the exit code. */
  stop(): Promise<number | null>
}

/** Starts a program and waits until it serves: API and simulator until they listen, a worker until it works. */
export async function startProgram(
  program: keyof typeof PROGRAMS,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
): Promise<RunningProgram> {
  const child = fork(PROGRAMS[program], args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Without this the programs would inherit options of this process that make Node load sources instead of the build.
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
  // Node emits 'close' once all output has been read.
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
