import { randomUUID } from 'node:crypto'
import { packBars } from '@stockpile/db/bars'
import { connect } from '@stockpile/db/connection'
import type { Database } from '@stockpile/db/connection'
import { pgOptions } from '@stockpile/db/driver-options'
import { failAttempt } from '@stockpile/db/fail-attempt'
import { storeSeries } from '@stockpile/db/store-series'
import { takeItem } from '@stockpile/db/items'
import type { Failure } from '@stockpile/domain/failure'
import { limitsFor } from '@stockpile/db/limits'
import { createRun } from '@stockpile/db/runs'
import { noteWorker } from '@stockpile/db/workers'
import type { WorkerSelf } from '@stockpile/db/workers'
import { chooseBackend } from '@stockpile/queue/backend'
import { openQueue } from '@stockpile/queue/queue'
import type { IngestQueue } from '@stockpile/queue/queue'
import { createLogger } from '@stockpile/log/logger'
import { createDatabase } from '@stockpile/test-harness/database'
import { urlAs } from '@stockpile/test-harness/roles'
import { uniquePrefix } from '@stockpile/test-harness/redis'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import * as z from 'zod'
import type { Bar, RejectedRow } from '@stockpile/domain/bar'
import { buildApp } from '../src/app.js'
import type { App } from '../src/types.js'
import type { Timeouts } from '../src/http/timeouts.js'

export interface TestApp {
  app: App
  db: Database
  databaseUrl: string
  queue: IngestQueue
  /** What the app logged so far, one JSON line each. */
  logLines: string[]
}

interface TestAppOptions {
  /** Where the queue is; undefined: in the test's database. */
  redisUrl?: string | undefined
  timeouts?: Partial<Timeouts>
  /** Whether all tests of the block share one app, which tests that write must not. Not with Redis. */
  shared?: boolean
  /** Whether the database has a living worker, with a plan of 25 requests a day; true by default. */
  worker?: boolean
  /** Replaces the URL of the new database, e.g. by that of a server that is away. */
  databaseUrl?: string
}

/**
 * Opens a new database, queue and app for each test (or block), and closes them after it. The fields are the current test's.
 */
export function useApp(options: TestAppOptions = {}): TestApp {
  let current: (TestApp & { close(): Promise<void> }) | undefined
  const [before, after] = options.shared ? [beforeAll, afterAll] : [beforeEach, afterEach]
  before(async () => {
    current = await openApp(options)
  })
  after(async () => {
    await current?.close()
    current = undefined
  })

  const get = <Field extends keyof TestApp>(field: Field): TestApp[Field] => {
    if (current === undefined) throw new Error('useApp: there is an app only while a test runs')
    return current[field]
  }
  return {
    get app() {
      return get('app')
    },
    get db() {
      return get('db')
    },
    get databaseUrl() {
      return get('databaseUrl')
    },
    get queue() {
      return get('queue')
    },
    get logLines() {
      return get('logLines')
    },
  }
}

async function openApp(options: TestAppOptions): Promise<TestApp & { close(): Promise<void> }> {
  const database = await createDatabase()
  const { redisUrl, timeouts = {}, databaseUrl = database.url } = options
  const apiUrl = options.databaseUrl ?? urlAs('stockpile_api', database.url)
  const open = (url = apiUrl) =>
    connect({
      databaseUrl: url,
      applicationName: 'api-test',
      maxConnections: 4,
      statementTimeoutMs: 5_000,
      genericPlans: true,
    })
  const [connection, dataConnection, heavyConnection] = [open(), open(), open()]
  // A test writes with the rights of the owner, as workers and people at psql do.
  const owner = open(databaseUrl)
  const queue = openQueue({
    backend: chooseBackend({ redisUrl, postgres: pgOptions(apiUrl) }),
    prefix: redisUrl === undefined ? undefined : uniquePrefix(),
    onError: () => {},
  })
  const logLines: string[] = []
  const logger = createLogger({
    service: 'api',
    level: 'debug',
    output: { write: (line) => logLines.push(line) },
  })
  const app = await buildApp({
    db: connection.db,
    dataDb: dataConnection.db,
    heavyDb: heavyConnection.db,
    queue: queue.handle,
    logger,
    timeouts,
  })
  if (options.worker !== false && databaseUrl === database.url) await liveWorker(owner.db)
  const close = async () => {
    await app.close()
    await Promise.all([
      queue.close(),
      ...[owner, connection, dataConnection, heavyConnection].map((one) => one.close()),
    ])
    await database.drop()
  }
  return { app, db: owner.db, databaseUrl, queue: queue.handle, logLines, close }
}

/** Writes the row of a worker, which counts as living for 20 s or until the row is written again. */
export async function liveWorker(db: Database, values: Partial<WorkerSelf> = {}): Promise<WorkerSelf> {
  const self: WorkerSelf = {
    id: randomUUID(),
    name: 'host:1',
    version: '0.1.0',
    plan: 'free',
    limits: limitsFor({ perSecond: 0, perMinute: 0, perDay: 25 }),
    keyFingerprint: null,
    keyProblem: null,
    concurrency: 4,
    queue: 'redis',
    queueProblem: null,
    startedMsAgo: 60_000,
    waiting: null,
    ...values,
  }
  await noteWorker(db, self)
  return self
}

/** Stores bars as a worker does, through a run of one symbol, and returns the run's id. */
export async function store(
  db: Database,
  symbol: string,
  bars: Bar[],
  rejected: RejectedRow[] = [],
): Promise<string> {
  const item = await take(db, symbol)
  const fetched = {
    requestId: 0,
    outputsize: 'compact' as const,
    historyLimited: false,
    fullHistory: false,
    dropped: 0,
    newestRejected: false,
    provisional: 0,
  }
  await storeSeries(db, item, { ...fetched, bars: packBars(bars), rejected })
  return item.runId
}

/** Ends a run of one symbol with a failure, and returns its id. */
export async function fail(db: Database, symbol: string, failure: Failure): Promise<string> {
  const item = await take(db, symbol)
  await failAttempt(db, item, failure, { final: true })
  return item.runId
}

async function take(db: Database, symbol: string) {
  const { items } = await createRun(db, {
    symbols: [symbol],
    trigger: 'api',
    outputsize: 'compact',
    // Each call fetches, even where the symbol is up to date.
    force: true,
    priority: 'normal',
  })
  const item = await takeItem(db, items[0]?.id ?? 0)
  if (item === null) throw new Error('the item was taken already')
  return item
}

/** Makes a bar for each session of January 2023, with prices and volumes that name their day. */
export function january(): Bar[] {
  const days = [
    '03',
    '04',
    '05',
    '06',
    '09',
    '10',
    '11',
    '12',
    '13',
    '17',
    '18',
    '19',
    '20',
    '23',
    '24',
    '25',
  ]
  return [...days, '26', '27', '30', '31'].map((day) => bar(`2023-01-${day}`, `1${day}.5000`, `40000${day}`))
}

export function bar(date: string, price: string, volume = '1000'): Bar {
  return { date, open: price, high: price, low: price, close: price, volume }
}

export const problemShape = z.strictObject({
  type: z.literal('about:blank'),
  title: z.string().min(1),
  status: z.int(),
  detail: z.string().min(1),
  instance: z.string().startsWith('urn:uuid:'),
  errors: z.array(
    z.strictObject({
      pointer: z.string().regex(/^\/(body|query|path|headers)/),
      code: z.string().min(1),
      detail: z.string().min(1),
    }),
  ),
  request_id: z.uuid(),
  info: z.strictObject({ error: z.string().min(1), unknown_symbols: z.array(z.string()).optional() }),
})

/**
 * Reads an answer as a problem.
 * @throws Error unless the problem is complete, consistent and of the status
 */
export function problemOf(
  answer: { statusCode: number; headers: Record<string, unknown>; body: string },
  status: number,
): z.infer<typeof problemShape> {
  const where = `${answer.statusCode} ${answer.body}`
  if (answer.statusCode !== status) throw new Error(`expected ${status}, got ${where}`)
  const contentType = String(answer.headers['content-type'])
  if (!contentType.startsWith('application/problem+json')) throw new Error(`${contentType}: ${where}`)
  const problem = problemShape.parse(JSON.parse(answer.body))
  if (problem.status !== status || problem.info.error !== problem.detail) throw new Error(where)
  return problem
}

export const runShape = z.object({
  data: z.object({ id: z.uuid(), status: z.string(), counts: z.record(z.string(), z.int()) }),
})
