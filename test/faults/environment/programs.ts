import { once } from 'node:events'
import { startProgram } from '../../servers/programs.js'
import type { RunningProgram } from '../../servers/programs.js'

/** The API and the workers of one environment. */
export interface Programs {
  /** Undefined while no API runs. */
  readonly api: RunningProgram | undefined
  /** The living workers, in the order of their starts. */
  readonly workers: readonly RunningProgram[]
  /** The oldest living worker; throws when there is none. */
  readonly worker: RunningProgram
  /** Everything that each process has written: living ones, dead ones and those that failed to start. */
  outputs: () => string[]
  startApi: (env?: Record<string, string>) => Promise<RunningProgram>
  startWorker: (env?: Record<string, string>) => Promise<RunningProgram>
  /** Sends SIGKILL, or another signal that ends a program at once; resolves when the process is gone. */
  kill: (program: RunningProgram, signal?: NodeJS.Signals) => Promise<void>
  /** Sends SIGTERM; resolves with the exit code. */
  stop: (program: RunningProgram) => Promise<number | null>
  close: () => Promise<void>
}

/** @param variables the environment variables that each process is started with */
export function createPrograms(variables: Record<'api' | 'worker', Record<string, string>>): Programs {
  const all: RunningProgram[] = []
  const lastWords: string[] = []
  const workers = new Set<RunningProgram>()
  let api: RunningProgram | undefined

  async function start(kind: 'api' | 'worker', env: Record<string, string>): Promise<RunningProgram> {
    try {
      const program = await startProgram(kind, { env: { ...variables[kind], ...env } })
      all.push(program)
      return program
    } catch (error) {
      lastWords.push(String(error))
      throw error
    }
  }
  /** Takes a program off the lists before it dies, so that the watch of the API knows the death was meant. */
  function forget(program: RunningProgram): void {
    workers.delete(program)
    if (api === program) api = undefined
  }
  async function kill(program: RunningProgram, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    forget(program)
    const { child } = program
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }
  return {
    get api() {
      return api
    },
    get workers() {
      return [...workers]
    },
    get worker() {
      const [oldest] = workers
      if (oldest === undefined) throw new Error('There is no worker')
      return oldest
    },
    outputs: () => [...all.map((program) => program.output()), ...lastWords],
    async startApi(env = {}) {
      api = await start('api', env)
      return api
    },
    async startWorker(env = {}) {
      const worker = await start('worker', env)
      workers.add(worker)
      return worker
    },
    kill,
    stop(program) {
      forget(program)
      return program.stop()
    },
    async close() {
      await Promise.all(all.map((program) => kill(program)))
    },
  }
}
