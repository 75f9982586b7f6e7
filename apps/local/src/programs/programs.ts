import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { handedOn, type Variables } from '@stockpile/config/programs'
import type { Config } from '../settings/config.js'
import { deferred } from '../promises.js'
import { inheritedVariables } from './inherited-variables.js'
import type { LogLine } from './log-line.js'
import { type Program, startProgram } from './program.js'

/** The worker's key for the simulator, which takes any key but the provider's demonstration keys. */
const SIMULATOR_KEY = 'simulated'
/** The folder of the logs, in STOCKPILE_HOME. */
export const LOG_FOLDER = 'logs'
const LOG_FILES = { worker: 'worker.log', api: 'api.log', simulator: 'simulator.log' }

/** Milliseconds that a stop may take. Together with PostgreSQL's stop they stay below 10 s, and a worker releases its items. */
const STOP_MS = { worker: 5_000, api: 2_000, simulator: 1_000 }

export interface ProgramsOptions {
  config: Config
  databaseUrls: Record<'api' | 'worker', string>
  queuePrefix: string | undefined
  /** The variables of this process and of the file `.env`, of which the programs get what they need. */
  environment: Variables
  onLine: (program: string, line: LogLine) => void
}

export interface Programs {
  /** Each start resolves with the program's address once it serves, and rejects with StartError. */
  startSimulator(): Promise<string>
  startApi(): Promise<string>
  /** @param simulatorUrl in place of the provider */
  startWorker(simulatorUrl: string | undefined): Promise<void>
  /** Rejects with StartError as soon as one of them ends by itself. */
  died: Promise<never>
  /** Ends the worker, then the others. Returns the names of those that had to be killed. */
  stop(hurry: AbortSignal): Promise<string[]>
}

/** The API, the worker and the simulator, which are started as processes and never imported. */
export function createPrograms(options: ProgramsOptions): Programs {
  const { config, databaseUrls, queuePrefix } = options
  const running = new Map<keyof typeof LOG_FILES, Program>()
  const { promise: died, reject: die } = deferred<never>()

  let stopped = false
  const inherited = inheritedVariables(options.environment, { embedded: config.databaseUrl === undefined })
  const start = (
    name: keyof typeof LOG_FILES,
    entry: URL,
    { args = [], env = {} }: { args?: string[]; env?: Variables },
  ) => {
    if (stopped) throw new Error(`the ${name} was not started: everything stops`)
    const program = startProgram({
      name,
      file: fileURLToPath(entry),
      args,
      env: { ...inherited, ...env },
      logPath: join(config.home, LOG_FOLDER, LOG_FILES[name]),
      logLevel: config.logLevel,
      stopMs: STOP_MS[name],
      onLine: (line) => options.onLine(name, line),
    })
    running.set(name, program)
    program.died.catch(die)
    return program.ready
  }
  const replaced = {
    // The URLs of the database have their passwords.
    DATABASE_PASSWORD: undefined,
    QUEUE_PREFIX: queuePrefix,
    // What a person sees is made here, of lines in JSON.
    LOG_FORMAT: 'json',
    // The worker says by an info line that it works, so LOG_LEVEL is applied here, when lines are written to log files.
    LOG_LEVEL: config.logLevel === 'debug' || config.logLevel === 'trace' ? config.logLevel : 'info',
  }

  return {
    startSimulator() {
      const { second, minute, day } = config.requestsPer
      const args = [`--plan=${config.plan}`]
      if (second !== undefined) args.push(`--per-second=${second}`)
      if (minute !== undefined) args.push(`--per-minute=${minute}`)
      if (day !== undefined) args.push(`--per-day=${day}`)
      return start(
        'simulator',
        new URL('main.js', import.meta.resolve('@stockpile/alphavantage/simulator')),
        { args },
      )
    },
    startApi() {
      const env = handedOn('api', options.environment, { ...replaced, DATABASE_URL: databaseUrls.api })
      return start('api', mainOf(import.meta.resolve('@stockpile/api/package.json')), { env })
    },
    async startWorker(simulatorUrl) {
      const provider =
        simulatorUrl === undefined
          ? { ALPHAVANTAGE_API_KEY_FILE: config.apiKeyFile }
          : { ALPHAVANTAGE_API_KEY: SIMULATOR_KEY, ALPHAVANTAGE_BASE_URL: simulatorUrl }
      const env = handedOn('worker', options.environment, {
        ...replaced,
        ...provider,
        DATABASE_URL: databaseUrls.worker,
      })
      await start('worker', mainOf(import.meta.resolve('@stockpile/worker/package.json')), { env })
    },
    died,
    async stop(hurry) {
      stopped = true
      const killed: string[] = []
      const stopOne = async (name: keyof typeof LOG_FILES) => {
        if ((await running.get(name)?.stop(hurry)) === 'killed') killed.push(name)
      }
      await stopOne('worker')
      await Promise.all([stopOne('api'), stopOne('simulator')])
      return killed
    },
  }
}

function mainOf(manifest: string): URL {
  return new URL('dist/main.js', manifest)
}
