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

/** A queue or a worker with its connections. */
export interface Opened<T> {
  handle: T
  /** Waits for work that is under way, at most 1 s for a queue and 2 s for a worker, and then closes the connections too. */
  close: () => Promise<void>
}

export interface OpenOptions {
  backend: Backend
  /** Keeps the queues on one Redis apart. Queues in PostgreSQL are apart by their databases, and take no prefix. */
  prefix?: string | undefined
  /** Called with each connection error. BullMQ recovers from all of them by itself. */
  onError: (error: Error) => void
}

const DEFAULT_PREFIX = 'stockpile'
/** Less than the time that `npm start` gives the API to end; the API asks the queue nothing more while it ends. */
const QUEUE_CLOSE_MS = 1_000
/** BullMQ writes the results of the last jobs in milliseconds. A job whose result it cannot write is handed out again. */
const WORKER_CLOSE_MS = 2_000

/** The options of every job. */
const JOB_OPTIONS = {
  // A worker decides by the attempts in PostgreSQL. BullMQ's attempts must never run out before.
  attempts: 20 * MAX_ATTEMPTS,
  backoff: { type: 'custom' },
  removeOnComplete: { age: 24 * 3600, count: 5_000 },
  removeOnFail: { age: 7 * 24 * 3600, count: 5_000 },
  keepLogs: 50,
  stackTraceLimit: 1,
} satisfies JobsOptions

/**
 * Opens the side of the queue that adds jobs. Returns at once, whether or not the backend is up.
 * @param options.onConnect called for every connection to Redis: at each but the first, Redis may have lost the jobs. Never
 *   called for PostgreSQL, which cannot lose the jobs without the items
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
  /** Milliseconds between the starts of two jobs, over all workers, at most 5,000; 0 for no spacing. */
  gapMs: number
}

/** The longest spacing. `endLeftPause` takes a pause of more than twice this length for one that nobody needs. */
export const LONGEST_GAP_MS = 5_000

/**
 * Opens the side of the queue that works on jobs: the worker takes jobs once its `run()` is called. A job of a lost worker is
 * handed out again within 20 s, however often its workers are lost: an item's attempts in PostgreSQL decide when the item ends.
 */
export function openWorker(options: WorkOptions): Opened<IngestWorker> {
  const { backend, prefix = DEFAULT_PREFIX, onError } = options
  const shared = {
    autorun: false,
    concurrency: options.concurrency,
    ...(options.gapMs > 0 && { limiter: { max: 1, duration: Math.min(options.gapMs, LONGEST_GAP_MS) } }),
    // A worker that is closed just before a wait for the spacing sits that wait out, so this bounds the wait.
    maximumRateLimitDelay: 1_000,
    lockDuration: 15_000,
    stalledInterval: 5_000,
    // How long BullMQ waits after it failed to fetch jobs. Its default of 15 s would leave a backend that is back unused.
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

/** Thrown by a processor whose attempt failed: the next attempt is due after `delayMs` milliseconds. */
export class RetryError extends Error {
  override readonly name = 'RetryError'
  readonly delayMs: number
  constructor(message: string, delayMs: number) {
    super(message)
    this.delayMs = delayMs
  }
}

/** Bounds BullMQ's `close`, which waits for ever for a backend that is away: `disconnect` then cuts the connection. */
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
