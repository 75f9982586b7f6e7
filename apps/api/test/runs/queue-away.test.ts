import { undispatchedItems } from '@stockpile/db/dispatch'
import { waitFor } from '@stockpile/test-harness/process'
import { redisUrl } from '@stockpile/test-harness/redis'
import { ownRedis } from '@stockpile/test-harness/redis-server'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { liveWorker, problemOf, runShape, useApp } from '../app.js'
import type { TestApp } from '../app.js'
import { useProxy } from '../http/proxy.js'

/** The API promises to answer within this time; a request that hung on the queue would take 5 s or for ever. */
const BOUND_MS = 1_000

async function post({ app }: TestApp, symbols: string[]): Promise<string> {
  const startedAt = performance.now()
  const answer = await app.inject({ method: 'POST', url: '/api/ingest', payload: { symbols } })
  expect(performance.now() - startedAt).toBeLessThan(BOUND_MS * slowness())
  expect(answer.statusCode).toBe(202)
  return runShape.parse(answer.json()).data.id
}

const undispatched = ({ db }: TestApp) => undispatchedItems(db, { limit: 100_000, minimumAgeMs: 0 })

const frozen = useProxy(null)
describe.each([
  // No server listens on port 1.
  { name: 'is away', url: () => 'redis://127.0.0.1:1' },
  { name: 'is frozen', url: () => frozen.url },
])('while the queue $name', ({ url }) => {
  const context = useApp({
    get redisUrl() {
      return url()
    },
  })

  test('a run is accepted in time, stored, left to the dispatcher, and the log says so', async () => {
    const id = await post(context, ['IBM', 'AAPL'])
    expect(await undispatched(context)).toMatchObject([
      { runId: id, symbol: 'IBM' },
      { runId: id, symbol: 'AAPL' },
    ])
    const warnings = context.logLines.filter((line) => line.includes('"level":"warn"'))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('dispatcher')
  })

  test('ten runs at once are accepted in time, and ask the queue once at most', async () => {
    const addBulk = vi.spyOn(context.queue, 'addBulk')
    const ids = await Promise.all(Array.from({ length: 10 }, () => post(context, ['IBM'])))
    expect(new Set(ids).size).toBe(10)
    await post(context, ['AAPL'])
    // The API does not wait even once for a queue that is known to be away.
    expect(addBulk.mock.calls.length).toBeLessThanOrEqual(1)
    expect(await undispatched(context)).toHaveLength(11)
  })

  test('a run is cancelled in time', async () => {
    const id = await post(context, ['IBM'])
    const startedAt = performance.now()
    const answer = await context.app.inject({ method: 'POST', url: `/api/ingest/${id}/cancel` })
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS * slowness())
    expect(answer.json()).toMatchObject({ data: { status: 'cancelled' } })
  })

  test('data is served, and readiness says degraded, not unready', async () => {
    expect((await context.app.inject('/api/financial_data')).statusCode).toBe(200)
    const answer = await context.app.inject('/readyz')
    expect(answer.statusCode).toBe(200)
    const since = /"since":"([^"]+)"/.exec(answer.body)?.[1] ?? ''
    expect(Date.now() - Date.parse(since)).toBeLessThan(BOUND_MS * slowness())
    expect(answer.body).toBe(
      '{"data":{"status":"degraded","checks":{"database":"up","queue":"down","workers":"up","storage":"up","provider":"up"},' +
        `"causes":[{"check":"queue","class":"queue_down","since":"${since}","detail":"The queue does not answer: runs are ` +
        'accepted, and begin once it does.","advice":"Look whether the Redis of REDIS_URL, or without one the database, is up ' +
        'and not full; work then goes on by itself."}]},"info":{"error":""}}',
    )
  })

  test('the board says so in time', async () => {
    const startedAt = performance.now()
    const answer = await context.app.inject('/queues/api/queues?activeQueue=ingest')
    expect(performance.now() - startedAt).toBeLessThan(BOUND_MS * slowness())
    expect(problemOf(answer, 503).detail).toContain('The queue')
    expect(answer.body).not.toMatch(/ECONN|127\.0\.0\.1/)
    expect((await context.app.inject('/queues')).statusCode).toBe(200)
  })
})

describe('a queue that the workers cannot use', () => {
  const context = useApp({ worker: false })

  test('is told though this API can use it', async () => {
    const queueProblem = { class: 'queue_down' as const, detail: 'The queue does not answer.' }
    await liveWorker(context.db, { queueProblem })
    const answer = await context.app.inject('/readyz')
    expect(answer.json()).toMatchObject({
      data: { status: 'degraded', checks: { queue: 'down' }, causes: [{ check: 'queue', ...queueProblem }] },
    })
    expect((await context.app.inject('/api/quota')).json()).toMatchObject({
      data: { causes: [{ for: 'queue', ...queueProblem }] },
    })
  })
})

describe.skipIf(redisUrl() === null)('a Redis that is full', () => {
  let ownUrl: string | undefined
  beforeEach(async () => {
    ownUrl = (await ownRedis({ maxmemory: '1' }))?.url
  })
  const context = useApp({
    get redisUrl() {
      return ownUrl
    },
  })

  test('is told by readiness in its own words, and runs are accepted', async ({ skip }) => {
    if (ownUrl === undefined) return skip('there is no redis-server of our own here')
    const answer = await context.app.inject('/readyz')
    expect(answer.body).toContain('Redis says: OOM')
    expect(answer.json()).toMatchObject({
      data: {
        status: 'degraded',
        checks: { database: 'up', queue: 'down', workers: 'up' },
        causes: [{ check: 'queue', class: 'queue_refuses_jobs' }],
      },
    })
    await post(context, ['IBM'])
    expect(await undispatched(context)).toMatchObject([{ symbol: 'IBM' }])
  })
})

describe.skipIf(redisUrl() === null)('a queue that goes away', () => {
  const proxy = useProxy(redisUrl())
  const context = useApp({
    get redisUrl() {
      return proxy.url
    },
  })

  test('is not waited for, and takes jobs again once it is back', async () => {
    await post(context, ['IBM'])
    await proxy.refuse()
    await waitFor(async () => (await context.app.inject('/readyz')).body.includes('"degraded"'), {
      deadlineMs: 10_000,
    })
    const addBulk = vi.spyOn(context.queue, 'addBulk')
    await post(context, ['AAPL'])
    expect(addBulk).not.toHaveBeenCalled()
    await proxy.accept()
    await waitFor(async () => (await context.app.inject('/readyz')).body.includes('"ready"'), {
      deadlineMs: 10_000,
    })
    await post(context, ['MSFT'])
    expect(await undispatched(context)).toMatchObject([{ symbol: 'AAPL' }])
  })
})

describe.skipIf(redisUrl() === null)('a queue that freezes', () => {
  const proxy = useProxy(redisUrl())
  const context = useApp({
    get redisUrl() {
      return proxy.url
    },
  })

  test('costs no run, and takes jobs again once it is back', async () => {
    await post(context, ['IBM'])
    expect(await undispatched(context)).toHaveLength(0)
    proxy.freeze()
    await post(context, ['AAPL'])
    expect(await undispatched(context)).toMatchObject([{ symbol: 'AAPL' }])
    proxy.thaw()
    await waitFor(async () => (await context.app.inject('/readyz')).body.includes('"ready"'), {
      deadlineMs: 10_000,
    })
    await post(context, ['MSFT'])
    expect(await undispatched(context)).toMatchObject([{ symbol: 'AAPL' }])
  })
})
