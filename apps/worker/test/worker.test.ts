import { listFailures } from '@stockpile/db/failures'
import { listItems } from '@stockpile/db/run-items'
import { cancelRun } from '@stockpile/db/runs'
import { JOB_KIND, jobData, jobIdOf } from '@stockpile/queue/job'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { symbolNames, useSystem } from './system.js'

const DEADLINE_MS = 10_000
const page = { limit: 100, offset: 0 }

describe.each(queueBackends())('a worker, the queue on $name', ({ redisUrl }) => {
  const system = useSystem({ redisUrl })
  const items = async (runId: string) => (await listItems(system.db, runId, page)).items
  const failures = async (runId: string) => (await listFailures(system.db, { ...page, runId })).failures

  test('lets two symbols of a run succeed and one fail with its reason', async () => {
    await system.work()
    const id = await system.ingest(['IBM', 'NOSUCH', 'AAPL'])
    expect(await system.run(id)).toMatchObject({
      status: 'partial',
      counts: { total: 3, succeeded: 2, failed: 1 },
      rows: { fetched: 200, inserted: 200 },
      failures: [{ class: 'invalid_symbol', count: 1 }],
    })
    expect(await failures(id)).toMatchObject([
      { symbol: 'NOSUCH', class: 'invalid_symbol', attempt: 1, final: true, httpStatus: 200 },
    ])
    const failed = jobIdOf((await items(id))[1]?.id ?? 0)
    // The queue hears of it after PostgreSQL.
    const reason = await waitFor(async () => (await system.queue.getJob(failed))?.failedReason, {
      deadlineMs: DEADLINE_MS,
    })
    expect(reason).toMatch(/^invalid_symbol: /)
    expect(system.simulator.arrivals()).toHaveLength(3)
  })

  test('tells the board what a job did', async () => {
    await system.work()
    const id = await system.ingest(['IBM'])
    await system.run(id)
    const jobId = jobIdOf((await items(id))[0]?.id ?? 0)
    const job = await waitFor(
      async () => {
        const one = await system.queue.getJob(jobId)
        return one?.finishedOn === undefined ? undefined : one
      },
      { deadlineMs: DEADLINE_MS },
    )
    expect(job).toMatchObject({ progress: 100, returnvalue: '100 inserted, 0 updated, 0 unchanged' })
    expect((await system.queue.getJobLogs(jobId)).logs).toEqual([
      'attempt 1: asking for the compact history of IBM',
      expect.stringMatching(/^100 rows in \d+ bytes after \d+ ms$/),
    ])
  })

  test('tries again after a failure of the provider, recording each failed attempt', async () => {
    system.simulator.rule({ symbol: 'IBM', times: 2, answer: { kind: 'status', status: 503 } })
    await system.work()
    const id = await system.ingest(['IBM', 'AAPL'])
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', failures: [] })
    expect(await failures(id)).toMatchObject([
      { symbol: 'IBM', class: 'http_error', httpStatus: 503, attempt: 2, final: false },
      { symbol: 'IBM', class: 'http_error', httpStatus: 503, attempt: 1, final: false },
    ])
  })

  test('gives up after the attempts of the class of failure, never sooner or later', async () => {
    system.simulator.rule({ symbol: 'DOWN', answer: { kind: 'status', status: 500 } })
    system.simulator.rule({ symbol: 'HTML', answer: { kind: 'html' } })
    await system.work()
    const id = await system.ingest(['DOWN', 'HTML'])
    expect(await system.run(id)).toMatchObject({ status: 'failed', counts: { failed: 2 } })
    expect((await items(id)).map((item) => [item.symbol, item.attempts, item.error?.class])).toEqual([
      ['DOWN', 5, 'http_error'],
      ['HTML', 3, 'bad_payload'],
    ])
    expect(system.simulator.arrivals()).toHaveLength(8)
  })

  test('spends no attempt on a limit of the provider and stores everything in the end', async () => {
    system.simulator.rule({
      nth: 2,
      times: 1,
      answer: { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
    })
    await system.work({ WORKER_CONCURRENCY: '1' })
    const id = await system.ingest(['IBM', 'AAPL', 'MSFT'])
    expect(await system.run(id, (run) => run.status === 'waiting_quota')).toMatchObject({
      counts: { failed: 0 },
    })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect((await items(id)).map((item) => item.attempts)).toEqual([0, 0, 0])
    expect(await failures(id)).toEqual([])
    const [, refused, next] = system.simulator.arrivals()
    expect((next?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(950)
  })

  test('stops asking while the key is refused, and the run says so', async () => {
    system.simulator.rule({ answer: { kind: 'refusal', refusal: 'invalid_key' } })
    await system.work({ WORKER_CONCURRENCY: '1' })
    const id = await system.ingest(['IBM', 'AAPL', 'MSFT'])
    const run = await system.run(id, ({ status, counts }) => status === 'blocked' && counts.running === 0)
    expect(run).toMatchObject({ counts: { pending: 3, failed: 0 } })
    expect(system.simulator.arrivals()).toHaveLength(1)
  })

  test('with a key that is refused stops by itself alone: one with another key does its work, and nobody pauses it', async () => {
    const refused = await system.work({ ALPHAVANTAGE_API_KEY: 'invalid' })
    const id = await system.ingest(symbolNames(12))
    await system.run(id, ({ status }) => status === 'blocked')
    await waitFor(() => system.logs.some((line) => line.includes('this worker waits')), {
      deadlineMs: DEADLINE_MS,
    })
    // The spacing of jobs is one of a second.
    expect(await system.queue.getRateLimitTtl()).toBeLessThanOrEqual(1_000)
    await system.work()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 12 } })
    expect(system.simulator.arrivals().filter((one) => one.answer === 'invalid_key')).toHaveLength(1)
    await refused.stop(AbortSignal.timeout(1_000))
  })

  test('ends a request within a second of its run’s cancelling, and starts none of the others', async () => {
    await system.work({ WORKER_CONCURRENCY: '2' })
    // Before a key has been accepted, one request at a time goes out.
    await system.run(await system.ingest(['IBM']))
    system.simulator.rule({ answer: { kind: 'delay', ms: 60_000 } })
    const id = await system.ingest(['A', 'B', 'C', 'D'])
    await waitFor(() => system.simulator.arrivals().length === 3, { deadlineMs: DEADLINE_MS })
    const cancelledAt = performance.now()
    await cancelRun(system.db, id)
    await waitFor(
      async () =>
        (await system.queue.getActiveCount()) +
          (await system.queue.getJobCountByTypes('wait', 'prioritized')) ===
        0,
      {
        deadlineMs: DEADLINE_MS,
        what: 'the queue to be empty',
      },
    )
    expect(performance.now() - cancelledAt).toBeLessThan(2_000 * slowness())
    expect(await system.run(id)).toMatchObject({
      status: 'cancelled',
      counts: { cancelled: 4 },
      rows: { fetched: 0 },
    })
    expect(system.simulator.arrivals()).toHaveLength(3)
    expect(await failures(id)).toEqual([])
  })

  test('that stops puts back what it cannot finish, and the next one finishes it', async () => {
    system.simulator.rule({ times: 1, answer: { kind: 'delay', ms: 60_000 } })
    const first = await system.work()
    const id = await system.ingest(['IBM'])
    await waitFor(() => system.simulator.arrivals().length === 1, { deadlineMs: DEADLINE_MS })
    await first.stop(AbortSignal.abort())
    expect(await items(id)).toMatchObject([{ state: 'pending', attempts: 0 }])
    await system.work()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(await failures(id)).toEqual([])
  })

  test('that stops lets what is nearly done finish', async () => {
    system.simulator.rule({ answer: { kind: 'delay', ms: 300 } })
    const worker = await system.work()
    const id = await system.ingest(['IBM'])
    await waitFor(() => system.simulator.arrivals().length === 1, { deadlineMs: DEADLINE_MS })
    await worker.stop(AbortSignal.timeout(DEADLINE_MS))
    expect(await items(id)).toMatchObject([{ state: 'succeeded' }])
  })

  test('dispatches what the API had accepted but not enqueued', async () => {
    const id = await system.ingest(['IBM', 'AAPL'], { dispatch: false })
    await system.work()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 2 } })
    const later = await system.ingest(['MSFT'], { dispatch: false })
    expect(await system.run(later)).toMatchObject({ status: 'succeeded' })
  })

  test('gives an emptied queue back what is unfinished when it starts', async () => {
    const id = await system.ingest(['IBM', 'AAPL'])
    await system.queue.obliterate({ force: true })
    await system.work()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 2 } })
  })

  test('gives the queue back what it lost while it works', async () => {
    await system.work({ WORKER_CONCURRENCY: '1' })
    system.simulator.rule({ symbol: 'SLOW', times: 1, answer: { kind: 'delay', ms: 1_000 } })
    const id = await system.ingest(['SLOW', 'IBM', 'AAPL'])
    await system.db.execute(`UPDATE ingest_items SET dispatched_at = now() - interval '1 minute'`)
    await waitFor(() => system.simulator.arrivals().length === 1, { deadlineMs: DEADLINE_MS })
    await system.queue.obliterate({ force: true })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 3 } })
  })

  test('replaces a job that has ended although its item has not', async () => {
    const id = await system.ingest(['IBM'])
    const [item] = await items(id)
    const jobId = jobIdOf(item?.id ?? 0)
    await system.db.execute(`UPDATE ingest_items SET dispatched_at = now() - interval '1 minute'`)
    const job = await system.queue.getJob(jobId)
    await job?.updateData({ ...job.data, itemId: 999_999 })
    await system.work()
    // Its first job looks for an item that does not exist, and ends.
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
  })

  test('ends an item whose failures could not be recorded at first, and not one attempt later', async () => {
    await system.db.execute(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'deadlock' USING errcode = '40P01'; END IF; RETURN new; END $$;
      CREATE TRIGGER deadlock BEFORE INSERT ON ingest_failures FOR EACH ROW EXECUTE FUNCTION deadlock()`)
    system.simulator.rule({ answer: { kind: 'status', status: 500 } })
    await system.work()
    const id = await system.ingest(['DOWN'])
    expect(await system.run(id)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'http_error', count: 1 }],
    })
    expect(await items(id)).toMatchObject([{ state: 'failed', attempts: 5 }])
  })

  test('stores what it fetched after a short absence of the database, without asking again', async () => {
    await system.db.execute(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'away' USING errcode = '57P01'; END IF; RETURN new; END $$;
      CREATE TRIGGER away BEFORE INSERT ON financial_data FOR EACH STATEMENT EXECUTE FUNCTION away()`)
    await system.work()
    const id = await system.ingest(['IBM'])
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', rows: { inserted: 100 } })
    expect(system.simulator.arrivals()).toHaveLength(1)
    expect(await failures(id)).toEqual([])
  })

  test('books what became of a request once the database is back', async () => {
    await system.db.execute(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'away' USING errcode = '57P01'; END IF; RETURN new; END $$;
      CREATE TRIGGER away BEFORE UPDATE OF outcome ON provider_requests FOR EACH ROW EXECUTE FUNCTION away()`)
    await system.work()
    expect(await system.run(await system.ingest(['IBM']))).toMatchObject({ status: 'succeeded' })
    expect(system.logs.join('')).toContain('cannot record what became of a request')
    const outcomes = async () => [...(await system.db.execute('SELECT outcome FROM provider_requests'))]
    await waitFor(async () => (await outcomes())[0]?.['outcome'] === 'accepted', { deadlineMs: 30_000 })
    expect(await outcomes()).toEqual([{ outcome: 'accepted' }])
  })

  test('fails an item for good whose payload is of another version, and says so', async () => {
    const id = await system.ingest(['IBM'], { dispatch: false })
    const item = (await items(id))[0]
    const ofTomorrow: object = { version: 99 }
    const payload = jobData({ itemId: item?.id ?? 0, runId: id, symbol: 'IBM' })
    await system.queue.add(JOB_KIND, Object.assign(payload, ofTomorrow), { jobId: jobIdOf(payload.itemId) })
    await system.work()
    expect(await system.run(id)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'unsupported_version', count: 1 }],
    })
    expect(system.simulator.arrivals()).toEqual([])
  })
})

describe.each(queueBackends())('between two attempts, the queue on $name', ({ redisUrl }) => {
  const retryAfterMs = 4_000
  const system = useSystem({ redisUrl, retryAfterMs })

  test('the clock of the database decides: a job that a wrong clock hands out at once is put off again', async () => {
    system.simulator.rule({ times: 1, answer: { kind: 'status', status: 503 } })
    await system.work()
    const id = await system.ingest(['IBM'])
    const [item] = (await listItems(system.db, id, page)).items
    const job = () => system.queue.getJob(jobIdOf(item?.id ?? 0))
    await waitFor(async () => (await job())?.isDelayed(), { deadlineMs: DEADLINE_MS })
    // As a worker does whose clock is ahead of that of the one which put it off.
    await (await job())?.promote()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    const [first, second] = system.simulator.arrivals()
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThan(retryAfterMs - 1_500)
    expect((await job())?.attemptsStarted).toBe(3)
  })
})
