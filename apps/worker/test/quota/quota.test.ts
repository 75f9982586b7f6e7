import { listFailures } from '@stockpile/db/failures'
import { listItems } from '@stockpile/db/run-items'
import { busyness, slowness } from '@stockpile/test-harness/patience'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../src/quota/api-key.js'
import { CANARY_KEY, symbolNames, useSystem } from '../system.js'

const DEADLINE_MS = 25_000
/** Compressed, as far as a busy machine can spend it; the workers' are a little longer. */
const DAY_MS = Math.round(6_000 * busyness())
const page = { limit: 100, offset: 0 }

describe.each(queueBackends())('the quota, the queue on $name', ({ redisUrl }) => {
  describe('of a free plan whose day lasts seconds', () => {
    const system = useSystem({
      redisUrl,
      simulator: {
        limits: { perSecond: 1, perMinute: 0, perDay: 25 },
        windows: { secondMs: 50, minuteMs: 60_000, dayMs: DAY_MS },
      },
      windowsMs: { second: 100, minute: 60_000, day: DAY_MS + 400 },
    })
    const free = { ALPHAVANTAGE_REQUESTS_PER_SECOND: '', ALPHAVANTAGE_REQUESTS_PER_DAY: '' }

    test('gives 60 symbols their rows in three days, provoking no refusal, through a restart', async () => {
      const first = await system.work(free)
      const id = await system.ingest(symbolNames(60))
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
      expect(at(59) - at(0)).toBeLessThan(3 * DAY_MS + 20_000 * slowness())
    })

    test('shared with another program: waits, learns, and loses no item', async () => {
      await system.work(free)
      // The whole day and at once: a machine under load may need longer for a part of ours than this day lasts.
      await Promise.all(
        symbolNames(25, 'OTHER').map(async (symbol) => {
          const query = new URLSearchParams({ function: 'TIME_SERIES_DAILY', symbol, apikey: 'another' })
          await (await fetch(`${system.simulator.url}/query?${query.toString()}`)).text()
        }),
      )
      const id = await system.ingest(symbolNames(30))
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

  describe('a pause that belongs to its cause', () => {
    const system = useSystem({ redisUrl })

    test('of two workers with different plans only the one whose day is spent waits', async () => {
      await system.work({ ALPHAVANTAGE_REQUESTS_PER_DAY: '3' })
      const id = await system.ingest(symbolNames(5))
      expect(await system.run(id, (run) => run.status === 'waiting_quota')).toMatchObject({
        waiting: { for: 'quota', reason: 'The requests of this day are spent.' },
      })
      await system.work({ ALPHAVANTAGE_PLAN: '75', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' })
      expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
      const next = await system.ingest(symbolNames(20, 'T'))
      expect(await system.run(next)).toMatchObject({ status: 'succeeded', counts: { succeeded: 20 } })
      expect(system.logs.join('')).not.toContain('this worker goes on')
    })

    test('ends within seconds of it, however long it was said to be, and whatever an earlier version left in the queue', async () => {
      await system.db.execute(`
        INSERT INTO provider_keys (key_fingerprint, blocked_until, blocked_class, blocked_detail)
        VALUES ('${fingerprintOf(CANARY_KEY)}', now() + interval '1 day', 'throttled', 'Wait.')`)
      await system.work()
      await system.work()
      const id = await system.ingest(symbolNames(20))
      await system.run(id, (run) => run.waiting?.reason === 'Wait.')
      await system.queue.rateLimit(86_400_000)
      await system.db.execute(`UPDATE provider_keys SET blocked_until = NULL`)
      const freedAt = performance.now()
      await waitFor(() => system.simulator.arrivals().length > 0, { deadlineMs: DEADLINE_MS })
      expect(performance.now() - freedAt).toBeLessThan(10_000)
      expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 20 } })
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
        const id = await system.ingest(symbolNames(3))
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
      const id = await system.ingest(symbolNames(3))
      expect(await system.run(id, (run) => run.status === 'waiting_quota')).toMatchObject({
        waiting: { for: 'quota', reason: 'The requests of this day are spent.' },
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
      const backfill = await system.ingest(symbolNames(12), { priority: 'low' })
      await waitFor(() => system.simulator.arrivals().length >= 2, { deadlineMs: DEADLINE_MS })
      const before = system.simulator.arrivals().length
      const asked = await system.ingest(['IBM'], { priority: 'high' })
      await system.run(asked)
      const order = system.simulator.arrivals().map((one) => one.symbol)
      expect(order.indexOf('IBM') - before).toBeLessThanOrEqual(2)
      await system.run(backfill)
    })
  })
})
