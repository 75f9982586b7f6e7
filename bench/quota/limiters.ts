import Bottleneck from 'bottleneck'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { RateLimiterQueue, RateLimiterRedis } from 'rate-limiter-flexible'
import type { Task } from './task.js'

/** Connects a limiter and gets it ready; returns the function that starts the senders. */
type Limiter = (task: LimiterTask, send: () => Promise<void>) => Promise<() => void>
type LimiterTask = Task & { redisUrl: string }

/** More jobs than a process sends in any trial. */
const JOBS = 2_000

/** The limiter of BullMQ's worker, which takes one limit: of two the shorter window, with no more requests than both allow. */
export const startBullmq: Limiter = async ({ redisUrl, prefix, limits, concurrency }, send) => {
  const windowMs = Math.min(...limits.map((limit) => limit.windowMs))
  const max = Math.floor(Math.min(...limits.map((limit) => (limit.max * windowMs) / limit.windowMs)))
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue('limited', { connection, prefix })
  const worker = new Worker('limited', send, {
    connection,
    prefix,
    concurrency,
    limiter: { max, duration: windowMs },
    autorun: false,
  })
  await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  await queue.addBulk(Array.from({ length: JOBS }, () => ({ name: 'fetch', data: {} })))
  return () => void worker.run().catch(fail)
}

/** The queue of rate-limiter-flexible over its Redis store, one for each limit: a sender waits until each has a point for it. */
export const startRateLimiterFlexible: Limiter = async ({ redisUrl, prefix, limits, concurrency }, send) => {
  const storeClient = new Redis(redisUrl, { enableOfflineQueue: false, lazyConnect: true })
  await storeClient.connect()
  const queues = limits.map(({ name, max, windowMs }) => {
    const options = { storeClient, keyPrefix: `${prefix}:${name}`, points: max, duration: windowMs / 1_000 }
    return new RateLimiterQueue(new RateLimiterRedis(options))
  })
  return loops(concurrency, async () => {
    for (const queue of queues) await queue.removeTokens(1)
    await send()
  })
}

/** How often bottleneck looks whether the reservoir is due for a refill; its intervals are multiples of 250 ms. */
const HEARTBEAT_MS = 5_000

/** A cluster of bottleneck on Redis, with the reservoir of its README: 100 a minute start at least 333 ms apart, 0.55 of an even pace. */
export const startBottleneck: Limiter = async ({ redisUrl, prefix, limits, concurrency }, send) => {
  const { hostname, port, username, password, pathname } = new URL(redisUrl)
  const [first, ...others] = limits.map(
    ({ name, max, windowMs }) =>
      new Bottleneck({
        id: `${prefix}-${name}`,
        datastore: 'ioredis',
        Redis,
        clientOptions: {
          host: hostname,
          port: Number(port || 6379),
          username,
          password,
          db: Number(pathname.slice(1)),
        },
        clearDatastore: false,
        heartbeatInterval: Math.min(HEARTBEAT_MS, windowMs),
        reservoir: max,
        reservoirRefreshAmount: max,
        reservoirRefreshInterval: windowMs,
        maxConcurrent: 4 * concurrency,
        minTime: Math.floor((0.55 * windowMs) / max),
      }),
  )
  if (first === undefined) throw new Error('there is no limit to keep')
  await Promise.all([first, ...others].map((limiter) => limiter.ready()))
  for (const other of others) first.chain(other)
  return loops(concurrency, () => first.schedule(send))
}

function loops(concurrency: number, once: () => Promise<void>): () => void {
  const loop = async () => {
    for (;;) await once()
  }
  return () => {
    for (let index = 0; index < concurrency; index += 1) loop().catch(fail)
  }
}

/** Ends the process, since a sender that merely stopped would seem to keep its limits. */
function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}
