import { queueBackends } from '@stockpile/test-harness/redis'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { Redis } from 'ioredis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { endLeftPause, pingQueue, queueProblem } from '../src/health.js'
import { enqueue } from '../src/jobs.js'
import { openQueue } from '../src/queue.js'
import { DEADLINE_MS, finished, item, useQueue } from './queue-in-test.js'

describe.each(queueBackends())('the queue on $name', ({ redisUrl }) => {
  const setUp = useQueue(redisUrl)

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
