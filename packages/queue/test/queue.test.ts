import { useDatabase } from '@stockpile/test-harness/database'
import { waitFor } from '@stockpile/test-harness/process'
import { startProxy } from '@stockpile/test-harness/proxy'
import { queueBackends } from '@stockpile/test-harness/redis'
import { UnrecoverableError } from 'bullmq'
import { afterEach, describe, expect, test } from 'vitest'
import { pingQueue } from '../src/health.js'
import { enqueue } from '../src/jobs.js'
import { openQueue, openWorker, RetryError } from '../src/queue.js'
import { DEADLINE_MS, finished, item, useQueue } from './queue-in-test.js'

describe.each(queueBackends())('the queue on $name', ({ redisUrl }) => {
  const setUp = useQueue(redisUrl)

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
    // A busy worker starts a job late, which shortens the next gap, so only the sum of the gaps is certain.
    expect((starts[4] ?? 0) - openedAt).toBeGreaterThanOrEqual(4 * 100)
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
    // The test tries again as the dispatcher does, since each vanished connection of the pool costs one failed question.
    const again = () =>
      enqueue(queue, [item(2)], 10_000).then(
        () => true,
        () => false,
      )
    await waitFor(again, { deadlineMs: 20_000 })
    await waitFor(() => ended.length === 2, { deadlineMs: 40_000 })
  })
})
