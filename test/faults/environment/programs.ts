import { once } from 'node:events'
import { startProgram } from '../../servers/programs.js'
import type { RunningProgram } from '../../servers/programs.js'

/** The processes of one environment. */
export interface Programs {
  /** Undefined while there is none. */
  readonly api: RunningProgram | undefined
  /** Those that live, in the order of their starts. */
  readonly workers: readonly RunningProgram[]
  /** The oldest of them; throws when there is none. */
  readonly worker: RunningProgram
  /** Everything that those that live, those that died and those that did not start have written, one text each. */
  outputs: () => string[]
  startApi: (env?: Record<string, string>) => Promise<RunningProgram>
  startWorker: (env?: Record<string, string>) => Promise<RunningProgram>
  /** `kill -9`, or another signal that ends it at once; resolves when it is gone. */
  kill: (program: RunningProgram, signal?: NodeJS.Signals) => Promise<void>
  /** SIGTERM; resolves with the exit code. */
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
  /** Before it dies, so that whoever watches it knows that it was meant to. */
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
