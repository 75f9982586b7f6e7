import { listWorkers } from '@stockpile/db/workers'
import { waitFor } from '@stockpile/test-harness/process'
import { startProxy } from '@stockpile/test-harness/proxy'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { expect, onTestFinished, test } from 'vitest'
import { useSystem } from '../system.js'

const system = useSystem()

test('a worker finishes its run when Redis is lost in the middle and comes back empty', async ({ skip }) => {
  const redis = await ownRedis()
  if (redis === null) return skip('there is no redis-server here')
  system.simulator.rule({ answer: { kind: 'delay', ms: 200 } })
  await system.work({ REDIS_URL: redis.url, WORKER_CONCURRENCY: '1' })
  const symbols = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J']
  const id = await system.ingest(symbols, { dispatch: false })
  await system.run(id, ({ counts }) => counts.succeeded >= 2)
  await redis.stop()
  await ownRedis({ port: new URL(redis.url).port })
  expect((await system.run(id)).counts.succeeded).toBe(symbols.length)
})

test('a worker says so when Redis comes back with a policy that loses jobs', async ({ skip }) => {
  const redis = await ownRedis()
  if (redis === null) return skip('there is no redis-server here')
  await system.work({ REDIS_URL: redis.url })
  await redis.stop()
  await ownRedis({ port: new URL(redis.url).port, 'maxmemory-policy': 'allkeys-lru' })
  const said = () => system.logs.filter((line) => line.includes('its maxmemory-policy is allkeys-lru'))
  await waitFor(() => said().length > 0, { deadlineMs: 15_000 })
  expect(said()).toHaveLength(1)
})

test('a worker says that it lives, and that its queue does not answer, until it does', async ({ skip }) => {
  const redis = await ownRedis()
  if (redis === null) return skip('there is no redis-server here')
  const proxy = await startProxy(redis.url)
  onTestFinished(() => proxy.close())
  await system.work({ REDIS_URL: proxy.url })
  proxy.freeze()
  const id = await system.ingest(['IBM'], { dispatch: false })
  expect(await system.run(id, ({ status }) => status === 'blocked')).toMatchObject({
    waiting: { for: 'queue', class: 'queue_down' },
  })
  expect(await listWorkers(system.db)).toMatchObject([{ lives: true, waiting: { for: 'queue' } }])
  proxy.thaw()
  expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
  await waitFor(async () => (await listWorkers(system.db)).every(({ waiting }) => waiting === null), {
    deadlineMs: 30_000,
  })
})
