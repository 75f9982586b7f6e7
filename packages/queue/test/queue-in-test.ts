import { useDatabase } from '@stockpile/test-harness/database'
import { uniquePrefix } from '@stockpile/test-harness/redis'
import { afterEach } from 'vitest'
import { chooseBackend } from '../src/backend.js'
import type { QueuedItem } from '../src/jobs.js'
import { openQueue, openWorker } from '../src/queue.js'
import type { IngestJob, IngestQueue, IngestWorker, WorkOptions } from '../src/queue.js'

export const DEADLINE_MS = 5_000

export const RUN_ID = '019a0000-0000-7000-8000-000000000000'

export function item(id: number, values: Partial<QueuedItem> = {}): QueuedItem {
  return { id, runId: RUN_ID, symbol: `S${id}`, priority: 'normal', ...values }
}

interface QueueInTest {
  queue: IngestQueue
  /** Opens a worker that takes jobs at once, four at a time and unspaced unless `options` say otherwise. */
  work: (process: WorkOptions['process'], options?: Partial<WorkOptions>) => IngestWorker
}

/**
 * Gives the tests of a file a database, and queues that are closed after each test.
 * @param redisUrl where the queues are; undefined for the database of the file
 * @returns a function that opens an empty queue
 */
export function useQueue(redisUrl: string | undefined): () => QueueInTest {
  const database = useDatabase()
  const opened: { close: () => Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  return () => {
    const common = {
      backend: chooseBackend({ redisUrl, postgres: { connectionString: database.url } }),
      prefix: uniquePrefix(),
      onError: () => {},
    }
    const queue = openQueue(common)
    opened.push(queue)
    return {
      queue: queue.handle,
      work: (process, options = {}) => {
        const worker = openWorker({ ...common, process, concurrency: 4, gapMs: 0, ...options })
        opened.push(worker)
        worker.handle.run().catch(() => {})
        return worker.handle
      },
    }
  }
}

interface EndedJob {
  id: string | undefined
  /** What the processor returned, or the message of the error that ended the job. */
  result: string
}

/** Waits for the end of `count` jobs of a worker. @returns the jobs in the order in which they ended */
export function finished(worker: IngestWorker, count: number): Promise<EndedJob[]> {
  return new Promise((resolve) => {
    const ended: EndedJob[] = []
    const add = (job: IngestJob | undefined, result: string) => {
      ended.push({ id: job?.id, result })
      if (ended.length === count) resolve(ended)
    }
    worker.on('completed', (job, result) => add(job, result))
    worker.on('failed', (job, error) => job?.finishedOn !== undefined && add(job, error.message))
  })
}
