import { createServer } from 'node:net'
import type { Socket } from 'node:net'
import { UnrecoverableError } from 'bullmq'
import { useDatabase } from '@stockpile/test-harness/database'
import { waitFor } from '@stockpile/test-harness/process'
import { startProxy } from '@stockpile/test-harness/proxy'
import { queueBackends, uniquePrefix } from '@stockpile/test-harness/redis'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { Redis } from 'ioredis'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { chooseBackend } from '../src/backend.js'
import type { Backend } from '../src/backend.js'
import { jobIdOf } from '../src/job.js'
import { QueueTimeoutError } from '../src/ask.js'
import { endLeftPause, QUEUE_DOWN, queueProblem, pingQueue } from '../src/health.js'
import { enqueue, restore, withdraw } from '../src/jobs.js'
import { openQueue, openWorker, RetryError } from '../src/queue.js'
import type { QueuedItem } from '../src/jobs.js'
import type { IngestJob, WorkOptions } from '../src/queue.js'

const runId = '019a0000-0000-7000-8000-000000000000'
const item = (id: number, values: Partial<QueuedItem> = {}): QueuedItem => ({
  id,
  runId,
  symbol: `S${id}`,
  priority: 'normal',
  ...values,
})
const DEADLINE_MS = 5_000

describe.each(queueBackends())('the queue on $name', ({ redisUrl }) => {
  const database = useDatabase()
  const opened: { close: () => Promise<void> }[] = []
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  const setUp = () => {
    const common = {
      backend: chooseBackend({ redisUrl, postgres: { connectionString: database.url } }),
      prefix: uniquePrefix(),
      onError: () => {},
    }
    const queue = openQueue(common)
    opened.push(queue)
    return {
      queue: queue.handle,
      work: (process: WorkOptions['process'], options: Partial<WorkOptions> = {}) => {
        const worker = openWorker({ ...common, process, concurrency: 4, gapMs: 0, ...options })
        opened.push(worker)
        const running = worker.handle.run()
        running.catch(() => {})
        return worker.handle
      },
    }
  }
  /** Collects the results of that many jobs, in the order in which they ended. */
  const finished = (worker: ReturnType<ReturnType<typeof setUp>['work']>, count: number) =>
    new Promise<{ id: string | undefined; result: string }[]>((resolve) => {
      const results: { id: string | undefined; result: string }[] = []
      const add = (job: IngestJob | undefined, result: string) => {
        results.push({ id: job?.id, result })
        if (results.length === count) resolve(results)
      }
      worker.on('completed', (job, result) => add(job, result))
      worker.on('failed', (job, error) => job?.finishedOn !== undefined && add(job, error.message))
    })

  test('a job that a wrong clock put off for days runs once its item is due, and not before', async () => {
    const { queue, work } = setUp()
    for (const id of [1, 2])
      await queue.add(
        'ingest-symbol',
        { version: 1, itemId: id, runId, symbol: `S${id}` },
        { jobId: jobIdOf(id), delay: 2 * 86_400_000 },
      )
    const ran: (string | undefined)[] = []
    const worker = work(async (job) => {
      ran.push(job.id)
      return 'done'
    })
    const all = finished(worker, 1)
    expect(
      await restore(
        queue,
        [
          { ...item(1), isDue: false },
          { ...item(2), isDue: true },
        ],
        DEADLINE_MS,
      ),
    ).toBe(0)
    await all
    expect(ran).toEqual([jobIdOf(2)])
  })

  test('hands each item out once, however often it was added', async () => {
    const { queue, work } = setUp()
    const items = [item(1), item(2), item(3)]
    await enqueue(queue, items, DEADLINE_MS)
    await enqueue(queue, items, DEADLINE_MS)
    const worker = work((job) => Promise.resolve(`did ${job.data.symbol}`))
    const results = await finished(worker, 3)
    expect(results.map((one) => one.result).toSorted()).toEqual(['did S1', 'did S2', 'did S3'])
    expect(await queue.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed')).toBe(0)
  })

  test('serves high before normal before low, and equal ones in order', async () => {
    const { queue, work } = setUp()
    await enqueue(
      queue,
      [
        item(1, { priority: 'low' }),
        item(2),
        item(3, { priority: 'high' }),
        item(4),
        item(5, { priority: 'high' }),
      ],
      DEADLINE_MS,
    )
    const results = await finished(
      work(() => Promise.resolve('done'), { concurrency: 1 }),
      5,
    )
    expect(results.map((one) => one.id)).toEqual([3, 5, 2, 4, 1].map(jobIdOf))
  })

  test('withdraws what waits, and leaves alone what is being worked on', async () => {
    const { queue, work } = setUp()
    await enqueue(queue, [item(1), item(2), item(3)], DEADLINE_MS)
    const { promise: started, resolve: start } = gate()
    const { promise: released, resolve: release } = gate()
    const worker = work(
      async () => {
        start()
        await released
        return 'done'
      },
      { concurrency: 1 },
    )
    const results = finished(worker, 1)
    await started
    await withdraw(queue, [1, 2, 3, 4], DEADLINE_MS)
    release()
    expect(await results).toEqual([{ id: 'item-1', result: 'done' }])
    expect(await queue.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed')).toBe(0)
  })

  test('tries a failed job again after the delay that the failure names', async () => {
    const { queue, work } = setUp()
    await enqueue(queue, [item(1)], DEADLINE_MS)
    const starts: number[] = []
    const worker = work((job) => {
      starts.push(Date.now())
      if (job.attemptsMade === 0) throw new RetryError('http_error: HTTP 503.', 300)
      return Promise.resolve('second time lucky')
    })
    expect(await finished(worker, 1)).toEqual([{ id: 'item-1', result: 'second time lucky' }])
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThanOrEqual(295)
  })

  test('does not try a job again that failed for good, and keeps its reason for the board', async () => {
    const { queue, work } = setUp()
    await enqueue(queue, [item(1)], DEADLINE_MS)
    const worker = work(() => {
      throw new UnrecoverableError('invalid_symbol: Invalid API call.')
    })
    expect(await finished(worker, 1)).toEqual([{ id: 'item-1', result: 'invalid_symbol: Invalid API call.' }])
    const job = await queue.getJob('item-1')
    expect(job).toMatchObject({
      attemptsMade: 1,
      failedReason: 'invalid_symbol: Invalid API call.',
      data: { symbol: 'S1' },
    })
  })

  test('spaces the starts of all workers together', async () => {
    const { queue, work } = setUp()
    await enqueue(
      queue,
      [1, 2, 3, 4, 5].map((id) => item(id)),
      DEADLINE_MS,
    )
    const starts: number[] = []
    const process = () => {
      starts.push(Date.now())
      return Promise.resolve('done')
    }
    const openedAt = Date.now()
    const workers = [work(process, { gapMs: 100 }), work(process, { gapMs: 100 })]
    await new Promise<void>((resolve) => {
      for (const worker of workers) worker.on('completed', () => starts.length === 5 && resolve())
    })
    // Seen from here a start is as late as its worker was busy, so only the sum of the gaps says something.
    expect((starts[4] ?? 0) - openedAt).toBeGreaterThanOrEqual(4 * 100)
  })

  test('ends a pause that was left behind, which would keep everybody from working, and leaves the spacing alone', async () => {
    const { queue, work } = setUp()
    await queue.rateLimit(86_291_148)
    await enqueue(queue, [item(1)], DEADLINE_MS)
    const all = finished(
      work(() => Promise.resolve('done'), { gapMs: 100 }),
      1,
    )
    expect(await endLeftPause(queue, DEADLINE_MS)).toBeGreaterThan(86_000_000)
    await all
    await queue.rateLimit(3_000)
    expect(await endLeftPause(queue, DEADLINE_MS)).toBe(0)
    expect(await queue.getRateLimitTtl()).toBeGreaterThan(1_000)
  })

  test('answers a ping, and takes jobs', async () => {
    const { queue } = setUp()
    await expect(pingQueue(queue, DEADLINE_MS)).resolves.toBeUndefined()
    await expect(queueProblem(queue, DEADLINE_MS)).resolves.toBeNull()
  })
})

describe('a Redis that is full', () => {
  test('answers, and is known to take no jobs until it has room', async ({ skip }) => {
    const redis = await ownRedis()
    if (redis === null) return skip('there is no redis-server here')
    const { handle: queue, close } = openQueue({
      backend: { kind: 'redis', url: redis.url },
      onError: () => {},
    })
    onTestFinished(close)
    await expect(queueProblem(queue, DEADLINE_MS)).resolves.toBeNull()
    const admin = new Redis(redis.url)
    onTestFinished(() => admin.disconnect())
    await admin.config('SET', 'maxmemory', '1')
    await expect(enqueue(queue, [item(1)], DEADLINE_MS)).rejects.toThrow('OOM')
    await expect(pingQueue(queue, DEADLINE_MS)).resolves.toBeUndefined()
    await expect(queueProblem(queue, DEADLINE_MS)).resolves.toMatchObject({
      class: 'queue_refuses_jobs',
      detail: expect.stringContaining('OOM') as unknown,
    })
    await admin.config('SET', 'maxmemory', '0')
    await expect(queueProblem(queue, DEADLINE_MS)).resolves.toBeNull()
    await enqueue(queue, [item(1)], DEADLINE_MS)
  })
})

describe('a Redis that allows less than it takes', () => {
  test('is down, and what it says is said', async ({ skip }) => {
    const redis = await ownRedis()
    if (redis === null) return skip('there is no redis-server here')
    const admin = new Redis(redis.url)
    onTestFinished(() => admin.disconnect())
    await admin.acl('SETUSER', 'default', '-hset')
    const queue = openQueue({ backend: { kind: 'redis', url: redis.url }, onError: () => {} })
    onTestFinished(queue.close)
    const problem = await queueProblem(queue.handle, DEADLINE_MS)
    expect(problem?.class).toBe('queue_down')
    expect(problem?.detail).toContain('Redis says: NOPERM')
  })
})

describe('a queue that is away', () => {
  test.each([
    ['refuses connections', 0],
    ['accepts and says nothing', 1],
  ])('neither fails to open nor holds anybody longer than asked: one that %s', async (_what, accepts) => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    const { port } = address
    if (accepts === 0) await new Promise((resolve) => server.close(resolve))
    const backend: Backend = { kind: 'redis', url: `redis://127.0.0.1:${port}` }
    const queue = openQueue({ backend, onError: () => {} })
    try {
      const startedAt = performance.now()
      await expect(enqueue(queue.handle, [item(1)], 300)).rejects.toThrow(QueueTimeoutError)
      await expect(pingQueue(queue.handle, 300)).rejects.toThrow(/./)
      await expect(queueProblem(queue.handle, 300)).resolves.toBe(QUEUE_DOWN)
      expect(performance.now() - startedAt).toBeLessThan(1_500)
    } finally {
      await queue.close()
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  })
})

describe('a queue in a PostgreSQL', () => {
  const database = useDatabase()
  const opened: { close: () => Promise<void> }[] = []
  afterEach(async () => {
    for (const one of opened.splice(0).toReversed()) await one.close()
  })
  const proxied = async () => {
    const proxy = await startProxy(database.url)
    const common = {
      backend: {
        kind: 'postgres',
        server: { connectionString: proxy.url, connectionTimeoutMillis: 5_000 },
      } as const,
      onError: () => {},
    }
    const queue = openQueue(common)
    const ended: string[] = []
    const worker = openWorker({
      ...common,
      process: async ({ id }) => ended.push(String(id)).toString(),
      concurrency: 1,
      gapMs: 0,
    })
    opened.push(proxy, queue, worker)
    return { proxy, queue: queue.handle, worker: worker.handle, ended }
  }

  test('that was away when it was opened works once it is there', async () => {
    const { proxy, queue, worker, ended } = await proxied()
    await proxy.refuse()
    worker.run().catch(() => {})
    await expect(pingQueue(queue, DEADLINE_MS)).rejects.toThrow('ECONNREFUSED')
    await proxy.accept()
    await pingQueue(queue, DEADLINE_MS)
    await enqueue(queue, [item(1)], DEADLINE_MS)
    await waitFor(() => ended.length === 1, { deadlineMs: 15_000 })
  })

  test('whose connections vanish without a word hands out jobs again, by new ones', async () => {
    const { proxy, queue, worker, ended } = await proxied()
    worker.run().catch(() => {})
    await enqueue(queue, [item(1)], DEADLINE_MS)
    await waitFor(() => ended.length === 1, { deadlineMs: 15_000 })
    proxy.swallow()
    await expect(pingQueue(queue, 10_000)).rejects.toThrow('Query read timeout')
    // The dispatcher tries again as well: each connection of the pool is found out by a question of its own.
    const again = () =>
      enqueue(queue, [item(2)], 10_000).then(
        () => true,
        () => false,
      )
    await waitFor(again, { deadlineMs: 20_000 })
    await waitFor(() => ended.length === 2, { deadlineMs: 40_000 })
  }, 90_000)
})

function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
