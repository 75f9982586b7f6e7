import { once } from 'node:events'
import { createServer } from 'node:net'
import { AlphaVantageError } from '@stockpile/alphavantage/refusal'
import { startSimulator } from '@stockpile/alphavantage/simulator'
import { limitsFor } from '@stockpile/db/limits'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { isUnanswered, probeWaits } from '../../src/quota/outage-backoff.js'
import { symbolNames, useSystem } from '../system.js'

const DEADLINE_MS = 60_000

test('an outage is probed rarely where each request is one of a few a day, and often where it costs nothing', () => {
  const free = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
  const premium = limitsFor({ perSecond: 5, perMinute: 75, perDay: 0 })
  expect(probeWaits(free, true)).toMatchObject({ firstMs: 180_000, longestMs: 6 * 3_600_000 })
  expect(probeWaits(free, false)).toMatchObject({ firstMs: 5_000, longestMs: 25_000 })
  const perDay = (max: number) => limitsFor({ perSecond: 1, perMinute: 0, perDay: max })
  expect(probeWaits(perDay(5), true)).toMatchObject({ firstMs: 900_000, longestMs: 6 * 3_600_000 })
  expect(probeWaits(perDay(500), true)).toMatchObject({ firstMs: 9_000, longestMs: 1_080_000 })
  expect(probeWaits(perDay(50_000), true)).toMatchObject({ firstMs: 5_000, longestMs: 25_000 })
  expect(probeWaits(premium, true)).toMatchObject({ firstMs: 5_000, longestMs: 25_000 })
})

describe('a provider whose host is unknown', () => {
  const system = useSystem({ probeWaits: { firstMs: 200, longestMs: 800, attemptMs: 3_600_000 } })

  test('is an outage that costs neither attempts nor quota, and is said with its code and what to check', async () => {
    await system.work({ ALPHAVANTAGE_BASE_URL: 'http://nosuch.invalid' })
    const id = await system.ingest(['IBM'])
    const { waiting } = await system.run(id, (run) => run.status === 'blocked')
    expect(waiting).toMatchObject({ for: 'provider' })
    expect(waiting?.reason).toMatch(/The provider does not answer: .*\((ENOTFOUND|EAI_AGAIN)\)/)
    expect(waiting?.advice).toContain('ALPHAVANTAGE_BASE_URL')
    const state = async () => {
      const [row] = await system.db.execute<{ failures: number; answered: number; attempts: number }>(`
        SELECT outage_failures AS failures, (SELECT sum(attempts)::int FROM ingest_items) AS attempts,
               (SELECT count(*)::int FROM provider_requests WHERE outcome IS NOT NULL) AS answered
          FROM provider_state`)
      return row
    }
    await waitFor(async () => ((await state())?.failures ?? 0) >= 3, { deadlineMs: DEADLINE_MS })
    expect(await state()).toMatchObject({ answered: 0, attempts: 0 })
  })
})

test.each([
  ['http_error', null],
  ['http_rejected', 'Access denied.'],
  ['redirect', 'http://portal.invalid/login'],
  ['provider_error', null],
  ['bad_payload', '\uFEFF <!doctype html><title>Sign in</title>'],
] as const)('%s with the body %j is no answer of the provider', (refusal, evidence) => {
  expect(isUnanswered(new AlphaVantageError(refusal, 'x', { evidence }))).toBe(true)
})

test.each([
  ['bad_payload', '{"Meta Data": '],
  ['bad_payload', null],
  ['invalid_symbol', '{"Error Message": "Invalid API call."}'],
  ['daily_limit', '<b>25 requests per day</b>'],
] as const)('%s with the body %j is an answer of the provider', (refusal, evidence) => {
  expect(isUnanswered(new AlphaVantageError(refusal, 'x', { evidence }))).toBe(false)
})

const BAD = ['BAD0', 'BAD1', 'BAD2']

describe.each(queueBackends())('the queue on $name', ({ redisUrl }) => {
  describe('a provider that answers 503 to everything', () => {
    const system = useSystem({
      redisUrl,
      // Longer than it takes to find out: an item must not be tried again before.
      retryAfterMs: 5_000,
      probeWaits: { firstMs: 500, longestMs: 2_000, attemptMs: 3_600_000 },
    })

    test('costs a few requests and hardly an attempt; the rest waits, and everything is fetched once it is over', async () => {
      system.simulator.rule({ answer: { kind: 'status', status: 503 } })
      await system.work()
      await system.work()
      const id = await system.ingest(symbolNames(60))
      expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
        waiting: { for: 'provider', reason: 'The provider does not answer: HTTP 503. The server failed.' },
      })
      await waitFor(() => system.simulator.arrivals().length >= 10, { deadlineMs: DEADLINE_MS })
      const during = system.simulator.arrivals()
      const lasted = (during.at(-1)?.at ?? 0) - (during[0]?.at ?? 0)
      // Those that opened it, with what was under way, then one after 0.5, 1, 2, 2, 2 s, of one symbol after the other.
      expect(lasted).toBeGreaterThan(3_000)
      expect(new Set(during.map((one) => one.symbol)).size).toBeGreaterThanOrEqual(5)
      expect(await system.run(id, () => true)).toMatchObject({ counts: { failed: 0 }, status: 'blocked' })
      system.simulator.clearRules()
      expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 60 } })
      const [charged] = await system.db.execute<{ attempts: number }>(
        `SELECT sum(attempts)::int AS attempts FROM ingest_items`,
      )
      expect(charged?.attempts).toBeLessThanOrEqual(2)
      const logs = system.logs.join('\n')
      expect(logs.match(/All workers wait/g)).toHaveLength(1)
      expect(logs.match(/the provider answers again/g)).toHaveLength(1)
    })
  })

  describe('a provider that answers 503 to one symbol', () => {
    const system = useSystem({ redisUrl })

    test('works: the symbol fails after its attempts, and the others do not wait', async () => {
      system.simulator.rule({ symbol: 'S7', answer: { kind: 'status', status: 503 } })
      await system.work({ WORKER_CONCURRENCY: '1' })
      const id = await system.ingest(symbolNames(30))
      expect(await system.run(id)).toMatchObject({
        status: 'partial',
        counts: { succeeded: 29, failed: 1 },
        failures: [{ class: 'http_error', count: 1 }],
      })
      expect(system.simulator.arrivals().filter((one) => one.symbol === 'S7')).toHaveLength(5)
      expect(system.logs.join('\n')).not.toContain('All workers wait')
    })
  })

  describe.each([
    { what: 'answers its own page', answer: { kind: 'html' }, reason: 'the body is no JSON' },
    {
      what: 'redirects to its own page',
      answer: { kind: 'redirect', location: 'http://portal.invalid/login' },
      reason: 'redirects elsewhere',
    },
  ] as const)('a proxy that $what, whatever it is asked', ({ answer, reason }) => {
    const system = useSystem({
      redisUrl,
      // Longer than it takes to find out: an item must not be tried again before.
      retryAfterMs: 5_000,
      probeWaits: { firstMs: 200, longestMs: 800, attemptMs: 3_600_000 },
    })

    test('is told from a failure of symbols: hardly an attempt is spent, and everything is fetched once it is over', async () => {
      system.simulator.rule({ answer })
      await system.work({ WORKER_CONCURRENCY: '1' })
      const id = await system.ingest(symbolNames(20))
      const blocked = await system.run(id, (run) => run.status === 'blocked')
      expect(blocked.waiting).toMatchObject({ for: 'provider' })
      expect(blocked.waiting?.reason).toContain(reason)
      system.simulator.clearRules()
      expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 20 } })
      const [charged] = await system.db.execute<{ attempts: number }>(
        `SELECT sum(attempts)::int AS attempts FROM ingest_items`,
      )
      expect(charged?.attempts).toBeLessThanOrEqual(2)
    })
  })

  describe('three symbols that always fail, and nothing else to fetch', () => {
    const system = useSystem({ redisUrl, probeWaits: { firstMs: 100, longestMs: 400, attemptMs: 200 } })
    test('end by their attempts, with their reason', async () => {
      for (const symbol of BAD) system.simulator.rule({ symbol, answer: { kind: 'status', status: 403 } })
      await system.work()
      const id = await system.ingest(BAD)
      expect(await system.run(id)).toMatchObject({
        status: 'failed',
        counts: { failed: 3 },
        failures: [{ class: 'http_rejected', count: 3 }],
      })
      const failures = await system.db.execute<{ symbol: string; attempts: number }>(
        `SELECT symbol, count(*)::int AS attempts FROM ingest_failures GROUP BY 1 ORDER BY 1`,
      )
      expect([...failures]).toEqual(BAD.map((symbol) => ({ symbol, attempts: 2 })))
      // Those that opened it cost two attempts, and all but the first probes one each.
      expect(system.simulator.arrivals().length).toBeLessThanOrEqual(12)
      expect(system.logs.join('\n')).toContain('All workers wait')
    })
  })

  describe('three symbols that always fail', () => {
    // Longer than a job that was just given to the queue takes to be seen.
    const system = useSystem({
      redisUrl,
      probeWaits: { firstMs: 1_500, longestMs: 1_500, attemptMs: 3_600_000 },
    })

    test('do not hold up another, which is asked for next and is answered', async () => {
      for (const symbol of BAD) system.simulator.rule({ symbol, answer: { kind: 'status', status: 503 } })
      await system.work({ WORKER_CONCURRENCY: '1' })
      const bad = await system.ingest(BAD)
      await system.run(bad, (run) => run.status === 'blocked')
      const good = await system.ingest(['GOOD'])
      const before = system.simulator.arrivals().length
      expect(await system.run(good)).toMatchObject({ status: 'succeeded' })
      const until = system.simulator.arrivals().findIndex((one) => one.symbol === 'GOOD')
      expect(until - before).toBeLessThanOrEqual(BAD.length)
      expect(system.logs.join('\n')).toContain('the provider answers again')
    })
  })

  describe('a provider that cannot be reached', () => {
    const system = useSystem({ redisUrl, probeWaits: { firstMs: 200, longestMs: 800, attemptMs: 3_600_000 } })

    test('costs neither attempts nor quota, also of a single symbol, and work goes on when it is back', async () => {
      const listener = createServer().listen(0, '127.0.0.1')
      await once(listener, 'listening')
      const address = listener.address()
      const port = address !== null && typeof address === 'object' ? address.port : 0
      listener.close()
      await once(listener, 'close')
      await system.work({ ALPHAVANTAGE_BASE_URL: `http://127.0.0.1:${port}` })
      const id = await system.ingest(['IBM'])
      expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
        waiting: { for: 'provider' },
      })
      const failures = async () => {
        const [state] = await system.db.execute<{ failures: number }>(
          `SELECT outage_failures AS failures FROM provider_state`,
        )
        return state?.failures ?? 0
      }
      await waitFor(async () => (await failures()) >= 3, { deadlineMs: DEADLINE_MS })
      expect([
        ...(await system.db.execute(`SELECT id FROM provider_requests WHERE outcome IS NOT NULL`)),
      ]).toEqual([])
      const simulator = await startSimulator({ port })
      try {
        expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
        const [item] = await system.db.execute(`SELECT attempts FROM ingest_items`)
        expect(item).toMatchObject({ attempts: 0 })
        expect(simulator.arrivals()).toHaveLength(1)
      } finally {
        await simulator.close()
      }
    })
  })
})
