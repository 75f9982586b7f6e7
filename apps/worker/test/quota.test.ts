import { once } from 'node:events'
import { createServer } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listFailures } from '@stockpile/db/failures'
import { listItems } from '@stockpile/db/run-status'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, onTestFinished, test } from 'vitest'
import { CANARY_KEY, useSystem } from './system.js'

const DEADLINE_MS = 25_000
/** Compressed; the workers' are a little longer, since a test's machine is slow in proportion. */
const DAY_MS = 6_000
const page = { limit: 100, offset: 0 }
const symbols = (count: number, prefix = 'S') =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

describe.each(queueBackends())('the quota, the queue on $name', ({ redisUrl }) => {
  describe('of a free plan whose day lasts 6 s', () => {
    const system = useSystem({
      redisUrl,
      simulator: {
        limits: { perSecond: 1, perMinute: 0, perDay: 25 },
        windows: { secondMs: 50, minuteMs: 60_000, dayMs: DAY_MS },
      },
      windowsMs: { second: 100, minute: 60_000, day: 6_400 },
    })
    const free = { ALPHAVANTAGE_REQUESTS_PER_SECOND: '', ALPHAVANTAGE_REQUESTS_PER_DAY: '' }

    test(
      'gives 60 symbols their rows in three days, provoking no refusal, through a restart',
      { timeout: 90_000 },
      async () => {
        const first = await system.work(free)
        const id = await system.ingest(symbols(60))
        await system.run(id, (run) => run.status === 'waiting_quota')
        await first.stop(AbortSignal.timeout(DEADLINE_MS))
        await system.work(free)
        const run = await system.run(id)
        expect(run).toMatchObject({ status: 'succeeded', counts: { succeeded: 60, failed: 0 } })
        const arrivals = system.simulator.arrivals()
        expect(arrivals).toHaveLength(60)
        expect(new Set(arrivals.map((one) => one.symbol)).size).toBe(60)
        expect(arrivals.filter((one) => one.answer.includes('limit'))).toEqual([])
        // 25, 25 and 10: the 26th and the 51st begin a new day, and the last is not in a fourth.
        const at = (index: number) => arrivals[index]?.at ?? 0
        expect(at(25) - at(0)).toBeGreaterThanOrEqual(DAY_MS)
        expect(at(50) - at(25)).toBeGreaterThanOrEqual(DAY_MS)
        // A job that the stopping worker had in its hands may be handed out again only after its lock has run out.
        expect(at(59) - at(0)).toBeLessThan(3 * DAY_MS + 20_000)
      },
    )

    test('shared with another program: waits, learns, and loses no item', { timeout: 90_000 }, async () => {
      await system.work(free)
      for (const symbol of symbols(10, 'OTHER')) {
        const query = new URLSearchParams({ function: 'TIME_SERIES_DAILY', symbol, apikey: 'another' })
        await (await fetch(`${system.simulator.url}/query?${query.toString()}`)).text()
      }
      const id = await system.ingest(symbols(30))
      const waiting = await system.run(id, (run) => run.status === 'waiting_quota')
      expect(waiting.waiting?.for).toBe('quota')
      expect(await system.run(id)).toMatchObject({
        status: 'succeeded',
        counts: { succeeded: 30, failed: 0 },
      })
      expect((await listFailures(system.db, { ...page, runId: id })).count).toBe(0)
      const { items } = await listItems(system.db, id, page)
      expect(items.every((item) => item.attempts === 0)).toBe(true)
    })
  })

  describe('without limits of our own', () => {
    const system = useSystem({ redisUrl, windowsMs: { second: 100, minute: 700, day: 2_000 } })

    test.each([
      ['burst_limit', '2025', 2_500],
      ['burst_limit', '2026', 2_500],
      ['minute_limit', '2017', 700],
      ['minute_limit', '2018', 700],
      ['minute_limit', 'premium', 700],
    ] as const)(
      'a refusal for the %s, worded as in %s, pauses all for its time and costs no attempt',
      async (refusal, variant, pauseMs) => {
        system.simulator.rule({ nth: 2, times: 1, answer: { kind: 'refusal', refusal, variant } })
        await system.work({ WORKER_CONCURRENCY: '1' })
        const id = await system.ingest(symbols(3))
        expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
        const [, refused, next] = system.simulator.arrivals()
        expect((next?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(pauseMs)
        const { items } = await listItems(system.db, id, page)
        expect(items.map((item) => item.attempts)).toEqual([0, 0, 0])
        const booked = await system.db.execute<{ outcome: string; count: number }>(`
        SELECT outcome, count(*)::int AS count FROM provider_requests GROUP BY outcome ORDER BY outcome`)
        expect([...booked]).toEqual([
          { outcome: 'accepted', count: 3 },
          { outcome: refusal, count: 1 },
        ])
      },
    )

    test('a daily refusal pauses all for a day, also a worker that starts anew, and tells a plan that says otherwise', async () => {
      system.simulator.rule({ nth: 2, times: 1, answer: { kind: 'refusal', refusal: 'daily_limit' } })
      const first = await system.work({ WORKER_CONCURRENCY: '1' })
      const id = await system.ingest(symbols(3))
      expect(await system.run(id, (run) => run.status === 'waiting_quota')).toMatchObject({
        waiting: { for: 'quota', reason: 'The daily quota is spent.' },
      })
      expect(system.logs.join('\n')).toContain(
        'the provider says 25 requests a day; the plan free says no limit',
      )
      await first.stop(AbortSignal.timeout(DEADLINE_MS))
      await system.work()
      expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
      // The book is full of somebody else's requests of now; the first to leave the day is our own first.
      const [accepted, , next] = system.simulator.arrivals()
      expect((next?.at ?? 0) - (accepted?.at ?? 0)).toBeGreaterThanOrEqual(2_000)
      expect(system.simulator.arrivals()).toHaveLength(4)
    })

    test('one symbol that a person asks for goes before a nightly backfill', async () => {
      await system.work({ WORKER_CONCURRENCY: '1', ALPHAVANTAGE_REQUESTS_PER_SECOND: '1' })
      const backfill = await system.ingest(symbols(12), { priority: 'low' })
      await waitFor(() => system.simulator.arrivals().length >= 2, { deadlineMs: DEADLINE_MS })
      const before = system.simulator.arrivals().length
      const asked = await system.ingest(['IBM'], { priority: 'high' })
      await system.run(asked)
      const order = system.simulator.arrivals().map((one) => one.symbol)
      expect(order.indexOf('IBM') - before).toBeLessThanOrEqual(2)
      await system.run(backfill)
    })

    test('a symbol that another run is fetching just now is not fetched beside it', async () => {
      system.simulator.rule({ answer: { kind: 'delay', ms: 300 } })
      await system.work()
      const ids = [
        await system.ingest(['IBM', 'AAPL']),
        await system.ingest(['IBM', 'AAPL']),
        await system.ingest(['IBM', 'AAPL']),
      ]
      for (const id of ids) expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
      expect(system.simulator.arrivals()).toHaveLength(2)
    })

    test('a symbol that another run fetched meanwhile is not fetched again, and one that can have nothing new not at all', async () => {
      const one = await system.ingest(['IBM', 'AAPL'])
      const other = await system.ingest(['IBM'])
      const forced = await system.ingest(['IBM'], { force: true })
      await system.work({ WORKER_CONCURRENCY: '1' })
      for (const id of [one, other, forced])
        expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
      expect(
        system.simulator
          .arrivals()
          .map((arrival) => arrival.symbol)
          .toSorted(),
      ).toEqual(['AAPL', 'IBM', 'IBM'])
      expect((await listItems(system.db, other, page)).items).toMatchObject([
        { state: 'succeeded', outcome: 'coalesced', rows: { fetched: 0 } },
      ])
      // As if today's bar had come: on the evening of a holiday there is none.
      await system.db.execute('UPDATE symbols SET last_date = current_date')
      const later = await system.ingest(['IBM', 'AAPL'])
      expect(await system.run(later)).toMatchObject({ status: 'succeeded' })
      expect((await listItems(system.db, later, page)).items).toMatchObject([
        { outcome: 'up_to_date' },
        { outcome: 'up_to_date' },
      ])
      expect(system.simulator.arrivals()).toHaveLength(3)
      // Their jobs are withdrawn, so that they take no turn from others.
      await waitFor(
        async () => (await system.queue.getJobCountByTypes('prioritized', 'waiting', 'delayed')) === 0,
        {
          deadlineMs: DEADLINE_MS,
        },
      )
    })
  })
})

describe('a key', () => {
  const system = useSystem({ simulator: { validKeys: ['right'] } })

  test('that is refused costs one request, whatever waits, and work goes on by itself when the file changes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'key')
    await writeFile(file, CANARY_KEY)
    const env = { ALPHAVANTAGE_API_KEY: '', ALPHAVANTAGE_API_KEY_FILE: file }
    await system.work(env)
    const first = await system.work(env)
    const id = await system.ingest(symbols(20))
    expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
      counts: { failed: 0 },
      waiting: { for: 'key', reason: 'Alpha Vantage does not accept the API key.' },
    })
    await first.stop(AbortSignal.timeout(DEADLINE_MS))
    await system.work(env)
    // The worker looks at the key again every 5 s: two such looks.
    await waitFor(() => system.logs.filter((line) => line.includes('does not accept')).length >= 3, {
      deadlineMs: DEADLINE_MS,
    })
    expect(system.simulator.arrivals()).toHaveLength(1)
    await writeFile(file, 'right')
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 20 } })
    expect(system.simulator.arrivals()).toHaveLength(21)
    const booked = await system.db.execute<{ text: string }>(`
      SELECT access::text AS text FROM provider_access AS access UNION ALL SELECT request::text FROM provider_requests AS request`)
    for (const { text } of booked) expect(text).not.toMatch(/right|CANARY/)
  })
})

describe('a key that is not entitled to the full history', () => {
  const system = useSystem({
    simulator: { plan: 'free', limits: { perSecond: 0, perMinute: 0, perDay: 0 } },
    // Nothing here is to be tried again; who waited for that would wait for long.
    retryAfterMs: 60_000,
  })
  const premium = { ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' }

  test('is told so once, and gets the newest rows of every symbol whose outputsize is left to us', async () => {
    await system.work(premium)
    const id = await system.ingest(symbols(8))
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 8 } })
    const arrivals = system.simulator.arrivals()
    expect(arrivals.filter((one) => one.outputsize === 'full')).toHaveLength(1)
    expect(arrivals).toHaveLength(9)
    const { items } = await listItems(system.db, id, page)
    expect(items.every((item) => item.historyLimited && item.outputsize === 'compact')).toBe(true)
    const full = await system.ingest(symbols(3, 'FULL'), { outputsize: 'full' })
    expect(await system.run(full)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'entitlement', count: 3 }],
    })
    expect(system.simulator.arrivals()).toHaveLength(9)
    expect(system.logs.join('\n')).not.toContain('cannot be reached')
  })
})

describe('what cannot be a key', () => {
  const system = useSystem()

  test('stops everything without a request, and no item fails of it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stockpile-key-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'key')
    await writeFile(file, 'sound')
    await system.work({ ALPHAVANTAGE_API_KEY: '', ALPHAVANTAGE_API_KEY_FILE: file })
    await writeFile(file, '# my key\nABCDEF')
    const id = await system.ingest(symbols(10))
    expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
      counts: { failed: 0 },
      waiting: { for: 'key' },
    })
    expect(system.simulator.arrivals()).toEqual([])
    await writeFile(file, 'sound')
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 10 } })
  })
})

describe('an item whose outputsize is left to us', () => {
  const system = useSystem()

  test('is not satisfied by newest rows that another run fetched, where it means the full history', async () => {
    const auto = await system.ingest(['IBM'], { priority: 'low' })
    const compact = await system.ingest(['IBM'], { outputsize: 'compact', priority: 'high' })
    await system.work({
      ALPHAVANTAGE_PLAN: '1200',
      ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0',
      WORKER_CONCURRENCY: '1',
    })
    await system.run(compact)
    expect(await system.run(auto)).toMatchObject({ status: 'succeeded' })
    expect(system.simulator.arrivals().map((one) => one.outputsize)).toEqual(['compact', 'full'])
    expect((await listItems(system.db, auto, page)).items).toMatchObject([
      { outcome: 'fetched', outputsize: 'full', historyLimited: false },
    ])
  })

  test('is satisfied by them where the plan has no more, and says so', async () => {
    const auto = await system.ingest(['IBM'], { priority: 'low' })
    const compact = await system.ingest(['IBM'], { outputsize: 'compact', priority: 'high' })
    await system.work({ WORKER_CONCURRENCY: '1' })
    await system.run(compact)
    expect(await system.run(auto)).toMatchObject({ status: 'succeeded' })
    expect(system.simulator.arrivals()).toHaveLength(1)
    expect((await listItems(system.db, auto, page)).items).toMatchObject([
      { outcome: 'coalesced', historyLimited: true },
    ])
  })
})

describe('a symbol that is unknown with the full history', () => {
  const system = useSystem()

  test('is asked for with the newest rows once, and says that its history is limited', async () => {
    system.simulator.rule({ outputsize: 'full', answer: { kind: 'refusal', refusal: 'invalid_symbol' } })
    await system.work({ ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' })
    const id = await system.ingest(['IBM'], { outputsize: 'full' })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', rows: { inserted: 100 } })
    expect((await listItems(system.db, id, page)).items).toMatchObject([
      { historyLimited: true, attempts: 0 },
    ])
  })
})

describe('a symbol whose quota is always refused', () => {
  const system = useSystem({ windowsMs: { second: 100, minute: 100, day: 100 } })

  test('ends after seven days with the refusal as its reason, and holds nobody for ever', async () => {
    system.simulator.rule({ symbol: 'IBM', answer: { kind: 'refusal', refusal: 'minute_limit' } })
    await system.work({ WORKER_CONCURRENCY: '1' })
    const id = await system.ingest(['IBM', 'AAPL'])
    expect(await system.run(id)).toMatchObject({
      status: 'partial',
      counts: { succeeded: 1, failed: 1 },
      failures: [{ class: 'minute_limit', count: 1 }],
    })
    const asked = system.simulator.arrivals().filter((one) => one.symbol === 'IBM')
    expect((asked.at(-1)?.at ?? 0) - (asked[0]?.at ?? 0)).toBeGreaterThan(7 * 100)
  })
})

describe('a provider that cannot be reached', () => {
  const system = useSystem()

  test('costs attempts, and none of the quota', async () => {
    const listener = createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const address = listener.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    listener.close()
    await once(listener, 'close')
    await system.work({ ALPHAVANTAGE_BASE_URL: `http://127.0.0.1:${port}` })
    const id = await system.ingest(['IBM'])
    expect(await system.run(id)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'network', count: 1 }],
    })
    expect([...(await system.db.execute(`SELECT id FROM provider_requests`))]).toEqual([])
  })
})
