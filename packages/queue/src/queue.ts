import type { QueueProblem } from '@stockpile/domain/cause'
import type { Priority } from '@stockpile/domain/run'
import { LATE, within } from '@stockpile/time/wait'
import { createPostgresBackend, Queue, withBackend, Worker } from 'bullmq'
import type { Job, JobsOptions, Processor, WorkerOptions } from 'bullmq'
import { connectRedis, poolOptions } from './backend.js'
import type { Backend } from './backend.js'
import { JOB_KIND, jobData, jobIdOf, JOB_PRIORITIES, QUEUE_NAME } from './job.js'
import type { JobData } from './job.js'
import { MAX_ATTEMPTS, backoffMs } from './retry-policy.js'

const onPostgres = withBackend(createPostgresBackend)

/** What a job returns: one sentence for the board. */
type RedisQueue = Queue<JobData, string>
type PostgresQueue = InstanceType<typeof onPostgres.Queue<JobData, string>>
export type IngestQueue = RedisQueue | PostgresQueue
export type IngestWorker = Worker<JobData, string> | InstanceType<typeof onPostgres.Worker<JobData, string>>
export type IngestJob = Job<JobData, string>

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
const AT_ONCE = 50

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
    onRedis.add(queue)
    connection.on('close', () => disconnected.add(queue))
    connection.on('ready', () => disconnected.delete(queue))
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
const LONGEST_GAP_MS = 5_000

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

export interface QueuedItem {
  id: number
  runId: string
  symbol: string
  priority: Priority
}

/**
 * Gives the queue the items' jobs. An item whose job is there already is left alone.
 * @throws QueueTimeoutError after `deadlineMs`; the jobs may still arrive
 */
export async function enqueue(
  queue: IngestQueue,
  items: readonly QueuedItem[],
  deadlineMs: number,
): Promise<void> {
  const jobs = items.map((item) => ({
    name: JOB_KIND,
    data: jobData({ itemId: item.id, runId: item.runId, symbol: item.symbol }),
    opts: { jobId: jobIdOf(item.id), priority: JOB_PRIORITIES[item.priority] },
  }))
  await answer(queue, () => queue.addBulk(jobs), deadlineMs, 'add jobs')
}

/**
 * Makes sure that each of these unfinished items has a job that will run: one that is missing is added, one that
 * has ended, so that it would swallow the new one, is replaced, and one that is put off though its item is due is put
 * off no more: a worker whose clock is days ahead says when by that clock.
 * @returns how many the queue did not have
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function restore(
  queue: IngestQueue,
  items: readonly (QueuedItem & { isDue?: boolean })[],
  deadlineMs: number,
): Promise<number> {
  const missing: QueuedItem[] = []
  const look = async (item: QueuedItem & { isDue?: boolean }) => {
    const job = await queue.getJob(jobIdOf(item.id))
    if (job !== undefined && job.finishedOn === undefined) {
      // Refused when it has become due by itself meanwhile.
      if (item.isDue === true && job.delay > 0 && (await job.isDelayed())) await job.promote().catch(() => {})
      return
    }
    missing.push(item)
    if (job !== undefined) await queue.remove(jobIdOf(item.id))
  }
  await answer(queue, () => fewAtOnce(items, look), deadlineMs, 'show its jobs')
  if (missing.length > 0) await enqueue(queue, missing, deadlineMs)
  return missing.length
}

/**
 * Takes the items' jobs out of the queue. Those being worked on stay on Redis and go from PostgreSQL; either way their
 * workers find the item cancelled.
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function withdraw(
  queue: IngestQueue,
  itemIds: readonly number[],
  deadlineMs: number,
): Promise<void> {
  await answer(queue, () => fewAtOnce(itemIds, (id) => queue.remove(jobIdOf(id))), deadlineMs, 'remove jobs')
}

/** So that whoever else needs the connections gets a turn. */
async function fewAtOnce<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) {
    await Promise.all(all.slice(from, from + AT_ONCE).map(work))
  }
}

/**
 * Ends a pause of the whole queue that nobody stands for: one that an earlier version made, or the spacing of a backend
 * whose clock was ahead when it began. Whether a worker may send is never the queue's to say.
 * @returns how long it would have lasted, in milliseconds; 0 when there was none
 * @throws QueueTimeoutError after `deadlineMs`
 */
export async function endLeftPause(queue: IngestQueue, deadlineMs: number): Promise<number> {
  const end = async () => {
    const leftMs = await queue.getRateLimitTtl()
    if (leftMs <= 2 * LONGEST_GAP_MS) return 0
    await queue.removeRateLimitKey()
    return leftMs
  }
  return answer(queue, end, deadlineMs, 'end a pause')
}

/**
 * Hands the jobs of lost workers out again, as BullMQ's worker does itself every 5 s, but not while it is paused: else what
 * a lost worker held would count as being worked on for as long as the others wait. As often as one likes.
 */
export async function recoverLostJobs(worker: IngestWorker): Promise<void> {
  await worker.backend.moveStalledJobsToWait()
}

/** @throws QueueTimeoutError, or the backend's own error, when the queue does not answer */
export async function pingQueue(queue: IngestQueue, deadlineMs: number): Promise<void> {
  await answer(queue, () => queue.getWaitingCount(), deadlineMs, 'answer')
}

export const QUEUE_DOWN: QueueProblem = {
  class: 'queue_down',
  detail: 'The queue does not answer: runs are accepted, and begin once it does.',
}

/** Of a Redis that is full, whose disk is, that is a replica, or that has too few of its own. */
const REFUSES_WRITES = /^(OOM|MISCONF|READONLY|NOREPLICAS)\b/

/**
 * Whether the queue gives and takes jobs. A Redis that is full, cannot write to its disk or is a replica answers all
 * questions and takes nothing: it is given what it has already. Of a PostgreSQL its own checks tell as much.
 * @returns null while it does; never throws
 */
export async function queueProblem(queue: IngestQueue, deadlineMs: number): Promise<QueueProblem | null> {
  const use = async () => {
    await queue.getWaitingCount()
    if (onRedis.has(queue)) await queue.backend.setQueueMeta(queue.metaValues)
  }
  try {
    await answer(queue, use, deadlineMs, 'give and take jobs')
    return null
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ReplyError') return QUEUE_DOWN
    // Any other answer of Redis, as to a password that was changed, is no use either.
    if (!REFUSES_WRITES.test(error.message))
      return { ...QUEUE_DOWN, detail: `${QUEUE_DOWN.detail} Redis says: ${error.message}` }
    return {
      class: 'queue_refuses_jobs',
      detail: `The queue answers, but takes no jobs: runs are accepted, and begin once it does. Redis says: ${error.message}`,
    }
  }
}

/** The queue's backend gave no answer in time. */
export class QueueTimeoutError extends Error {
  override readonly name = 'QueueTimeoutError'
}

const onRedis = new WeakSet<IngestQueue>()
/** Queues that still owe an answer whose deadline has passed. */
const overdue = new WeakSet<IngestQueue>()
/** Queues whose connection was lost or refused, and not made again since. */
const disconnected = new WeakSet<IngestQueue>()

/**
 * What is asked of a queue that hangs would only pile up, and arrive all at once later: until it has given the
 * answer it owes, it is asked nothing more. Nor is one that is known to be away: nobody waits for it.
 */
async function answer<T>(
  queue: IngestQueue,
  ask: () => Promise<T>,
  deadlineMs: number,
  what: string,
): Promise<T> {
  if (overdue.has(queue))
    throw new QueueTimeoutError(`the queue did not ${what}: it owes an earlier answer still`)
  if (disconnected.has(queue)) throw new QueueTimeoutError(`the queue could not ${what}: it is not connected`)
  const work = ask()
  try {
    return await inTime(work, deadlineMs, what)
  } catch (error) {
    if (error instanceof QueueTimeoutError) {
      overdue.add(queue)
      const settled = () => overdue.delete(queue)
      work.then(settled, settled)
    }
    throw error
  }
}

async function inTime<T>(work: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  const given = await within(work, deadlineMs)
  if (given === LATE) throw new QueueTimeoutError(`the queue did not ${what} within ${deadlineMs} ms`)
  return given
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
