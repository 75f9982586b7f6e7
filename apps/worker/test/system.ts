import { startSimulator } from '@stockpile/alphavantage/simulator'
import type { Simulator, SimulatorOptions } from '@stockpile/alphavantage/simulator'
import { connect } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { markDispatched } from '@stockpile/db/dispatch'
import { pgOptions } from '@stockpile/db/driver-options'
import { getRun } from '@stockpile/db/run-status'
import type { Run } from '@stockpile/db/run-status'
import { createRun } from '@stockpile/db/runs'
import type { RunRequest } from '@stockpile/db/runs'
import { chooseBackend } from '@stockpile/queue/backend'
import { enqueue } from '@stockpile/queue/jobs'
import { openQueue } from '@stockpile/queue/queue'
import type { IngestQueue } from '@stockpile/queue/queue'
import { useDatabase } from '@stockpile/test-harness/database'
import { urlAs } from '@stockpile/test-harness/roles'
import { waitFor } from '@stockpile/test-harness/process'
import { uniquePrefix } from '@stockpile/test-harness/redis'
import { pino } from 'pino'
import { afterEach, beforeEach } from 'vitest'
import type { LimitName } from '@stockpile/domain/limit'
import { parseConfig } from '../src/config.js'
import type { ProbeWaits } from '../src/quota/outage-backoff.js'
import { startWorker } from '../src/worker.js'
import type { RunningWorker } from '../src/worker.js'

export const CANARY_KEY = 'CANARY+KEY/0123456789'
/** Longer than it takes to hand out the job of a lost worker, above most tests' own time. */
const DEADLINE_MS = 60_000

/** So many symbols that nobody has asked for. */
export function symbolNames(count: number, prefix = 'S'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

export interface System {
  readonly db: Connection['db']
  readonly queue: IngestQueue
  readonly simulator: Simulator
  /** Every line that the workers logged. */
  readonly logs: string[]
  work(env?: Record<string, string>): Promise<RunningWorker>
  /** Accepts a run as the API does; with `dispatch: false` as an API that died right after the commit. */
  ingest(symbols: string[], options?: Partial<RunRequest> & { dispatch?: boolean }): Promise<string>
  /** The run, once `until` holds for it; by default once it has finished. */
  run(id: string, until?: (run: Run) => boolean): Promise<Run>
}

/** A database, a queue and a simulated provider for each test; workers are stopped after it. */
export function useSystem({
  redisUrl,
  simulator = {},
  windowsMs,
  retryAfterMs = 100,
  probeWaits,
}: {
  redisUrl?: string | undefined
  simulator?: SimulatorOptions
  /** In place of the real second, minute and day, for the workers. */
  windowsMs?: Record<LimitName, number>
  /** In place of every backoff. */
  retryAfterMs?: number
  /** In place of those of an outage. */
  probeWaits?: ProbeWaits
} = {}): System {
  const database = useDatabase()
  let parts:
    | { connection: Connection; queue: ReturnType<typeof openQueue>; simulator: Simulator; prefix: string }
    | undefined
  const workers: RunningWorker[] = []
  const logs: string[] = []
  const current = () => {
    if (parts === undefined) throw new Error('useSystem: there is a system only while a test runs')
    return parts
  }
  beforeEach(async () => {
    const prefix = uniquePrefix()
    logs.length = 0
    parts = {
      prefix,
      connection: connect({
        databaseUrl: database.url,
        applicationName: 'test',
        maxConnections: 4,
        statementTimeoutMs: 10_000,
      }),
      queue: openQueue({
        backend: chooseBackend({ redisUrl, postgres: pgOptions(database.url) }),
        prefix,
        onError: () => {},
      }),
      simulator: await startSimulator(simulator),
    }
  })
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.stop(AbortSignal.timeout(1_000))))
    await parts?.queue.close()
    await parts?.connection.close()
    await parts?.simulator.close()
  })
  const run = (id: string, until: (run: Run) => boolean = (one) => one.finishedAt !== null) =>
    waitFor(
      async () => {
        const one = await getRun(current().connection.db, id)
        return one !== null && until(one) ? one : undefined
      },
      { deadlineMs: DEADLINE_MS, what: 'the run' },
    )
  return {
    logs,
    run,
    get db() {
      return current().connection.db
    },
    get queue() {
      return current().queue.handle
    },
    get simulator() {
      return current().simulator
    },
    async work(env = {}) {
      const config = parseConfig({
        DATABASE_URL: urlAs('stockpile_worker', database.url),
        ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
        QUEUE_PREFIX: current().prefix,
        ALPHAVANTAGE_API_KEY: CANARY_KEY,
        ALPHAVANTAGE_BASE_URL: current().simulator.url,
        ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
        ALPHAVANTAGE_REQUESTS_PER_DAY: '0',
        SYMBOLS: '',
        ...env,
      })
      const logger = pino({ level: 'debug' }, { write: (line: string) => logs.push(line) })
      const { signal } = new AbortController()
      const worker = await startWorker(config, logger, {
        signal,
        retryAfterMs: () => retryAfterMs,
        probeWaits,
        ...(windowsMs === undefined ? {} : { windowsMs }),
      })
      workers.push(worker)
      return worker
    },
    async ingest(symbols, { dispatch = true, ...request } = {}) {
      const { connection, queue } = current()
      const { id, items } = await createRun(connection.db, {
        symbols,
        trigger: 'api',
        outputsize: 'auto',
        force: false,
        priority: 'normal',
        ...request,
      })
      if (dispatch) {
        await enqueue(queue.handle, items, DEADLINE_MS)
        await markDispatched(
          connection.db,
          items.map((item) => item.id),
        )
      }
      return id
    },
  }
}
