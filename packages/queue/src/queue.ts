import { within } from '@stockpile/time/wait'
import { Queue, Worker } from 'bullmq'
import type { JobsOptions, Processor, WorkerOptions } from 'bullmq'
import { watchConnection } from './ask.js'
import { connectRedis, poolOptions } from './backend.js'
import type { Backend } from './backend.js'
import { onPostgres } from './bullmq.js'
import type { IngestQueue, IngestWorker, PostgresQueue, RedisQueue } from './bullmq.js'
import { QUEUE_NAME } from './job.js'
import type { JobData } from './job.js'
import { MAX_ATTEMPTS, backoffMs } from './retry-policy.js'

export type { IngestJob, IngestQueue, IngestWorker } from './bullmq.js'

export interface Opened<T> {
  handle: T
  /** Waits for what is under way, at most 1 s for a queue and 2 s for a worker, and ends what was opened, connections included. */
  close: () => Promise<void>
}

export interface OpenOptions {
  backend: Backend
  /** Keeps queues on one Redis apart. The Postgres backend is apart by its database. */
  prefix?: string | undefined
  /** Told of connection errors, of which BullMQ recovers by itself. */
  onError: (error: Error) => void
}

const DEFAULT_PREFIX = 'stockpile'
/** Below what `npm start` gives the API, which asks nothing more of the queue by then. */
const QUEUE_CLOSE_MS = 1_000
/** BullMQ takes milliseconds to write down what became of the last jobs. What it could not is handed out again. */
const WORKER_CLOSE_MS = 2_000

/** Every job has these: written once, here. */
const JOB_OPTIONS = {
  // Not the judge: a worker decides by the attempts in PostgreSQL. These must never run out before those.
  attempts: 20 * MAX_ATTEMPTS,
  backoff: { type: 'custom' },
  removeOnComplete: { age: 24 * 3600, count: 5_000 },
  removeOnFail: { age: 7 * 24 * 3600, count: 5_000 },
  keepLogs: 50,
  stackTraceLimit: 1,
} satisfies JobsOptions

/**
 * Opens the producing side of the queue. Returns at once, whether or not the backend is up.
 * @param options.onConnect told of every connection to Redis: after the first, what it held may be gone. A queue in
 * PostgreSQL is lost with the items alone
 */
export function openQueue(options: OpenOptions & { onConnect?: () => void }): Opened<IngestQueue> {
  const { backend, prefix = DEFAULT_PREFIX, onError, onConnect } = options
  if (backend.kind === 'redis') {
    const connection = connectRedis(backend.url, 'producer')
    connection.on('error', onError)
    if (onConnect !== undefined) connection.on('ready', onConnect)
    const queue: RedisQueue = new Queue<JobData, string>(QUEUE_NAME, {
      connection,
      prefix,
      defaultJobOptions: JOB_OPTIONS,
    })
    watchConnection(queue, connection)
    queue.on('error', onError)
    return {
      handle: queue,
      close: () => closeWithin(queue.close(), QUEUE_CLOSE_MS, () => connection.disconnect()),
    }
  }
  const queue: PostgresQueue = new onPostgres.Queue<JobData, string>(QUEUE_NAME, {
    connection: poolOptions(backend.server, 4),
    defaultJobOptions: JOB_OPTIONS,
  })
  queue.on('error', onError)
  return { handle: queue, close: () => closeWithin(queue.close(), QUEUE_CLOSE_MS) }
}

export interface WorkOptions extends OpenOptions {
  process: Processor<JobData, string>
  concurrency: number
  /** Starts are this far apart over all workers, at most 5 s; 0: no spacing. Milliseconds. */
  gapMs: number
}

/** Were it longer, a spacing could not be told from a pause that was left behind: see `endLeftPause`. */
export const LONGEST_GAP_MS = 5_000

/**
 * Opens the consuming side; it takes jobs once `run()` is called. A job of a lost worker is handed out again within
 * 20 s, as often as it takes: whether an item ends is decided by its attempts in PostgreSQL.
 */
export function openWorker(options: WorkOptions): Opened<IngestWorker> {
  const { backend, prefix = DEFAULT_PREFIX, onError } = options
  const shared = {
    autorun: false,
    concurrency: options.concurrency,
    ...(options.gapMs > 0 && { limiter: { max: 1, duration: Math.min(options.gapMs, LONGEST_GAP_MS) } }),
    // Closing waits for the end of such a delay when it comes just before one: never longer than this.
    maximumRateLimitDelay: 1_000,
    lockDuration: 15_000,
    stalledInterval: 5_000,
    // After a question for jobs that failed; by default 15 s, in which a backend that is back is left alone.
    runRetryDelay: 1_000,
    maxStalledCount: 1_000_000,
    settings: {
      backoffStrategy: (attemptsMade: number, _type?: string, error?: Error) =>
        error instanceof RetryError ? error.delayMs : backoffMs(attemptsMade),
    },
  } satisfies Partial<WorkerOptions>
  if (backend.kind === 'redis') {
    const connection = connectRedis(backend.url, 'worker')
    connection.on('error', onError)
    const worker = new Worker<JobData, string>(QUEUE_NAME, options.process, { ...shared, connection, prefix })
    worker.on('error', onError)
    return {
      handle: worker,
      close: () => closeWithin(worker.close(), WORKER_CLOSE_MS, () => connection.disconnect()),
    }
  }
  const worker = new onPostgres.Worker<JobData, string>(QUEUE_NAME, options.process, {
    ...shared,
    connection: poolOptions(backend.server, Math.max(4, options.concurrency)),
  })
  worker.on('error', onError)
  return { handle: worker, close: () => closeWithin(worker.close(), WORKER_CLOSE_MS) }
}

/** Thrown by a processor: the attempt failed, and the next one is due after `delayMs`. */
export class RetryError extends Error {
  override readonly name = 'RetryError'
  readonly delayMs: number
  constructor(message: string, delayMs: number) {
    super(message)
    this.delayMs = delayMs
  }
}

/** BullMQ's close waits for ever for a backend that is away; the connection is then cut under it. */
async function closeWithin(
  closing: Promise<void>,
  deadlineMs: number,
  disconnect?: () => void,
): Promise<void> {
  try {
    await within(closing, deadlineMs)
  } finally {
    disconnect?.()
  }
}
