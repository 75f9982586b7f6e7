import { waitFor } from '@stockpile/test-harness/process'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { expect, test } from 'vitest'
import { useSystem } from './system.js'

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
