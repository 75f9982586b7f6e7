import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { jobIdOf } from '../src/job.js'
import { enqueue, restore, withdraw } from '../src/jobs.js'
import { DEADLINE_MS, finished, item, RUN_ID, useQueue } from './queue-in-test.js'

describe.each(queueBackends())('the queue on $name', ({ redisUrl }) => {
  const setUp = useQueue(redisUrl)

  test('a job that a wrong clock delayed for days runs once its item is due, and not before', async () => {
    const { queue, work } = setUp()
    for (const id of [1, 2])
      await queue.add(
        'ingest-symbol',
        { version: 1, itemId: id, runId: RUN_ID, symbol: `S${id}` },
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
})

function gate(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
