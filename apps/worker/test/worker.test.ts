import { listFailures, listRejectedRows } from '@stockpile/db/failures'
import { listFinancialData } from '@stockpile/db/financial-data'
import { listItems } from '@stockpile/db/run-status'
import { cancelRun } from '@stockpile/db/runs'
import { JOB_KIND, jobData, jobIdOf } from '@stockpile/queue/job'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { CANARY_KEY, useSystem } from './system.js'

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
    expect(job).toMatchObject({ progress: 50, returnvalue: '100 inserted, 0 updated, 0 unchanged' })
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
    expect(await system.run(id, (run) => run.status === 'blocked')).toMatchObject({
      counts: { pending: 3, failed: 0 },
    })
    expect(system.simulator.arrivals()).toHaveLength(1)
  })

  test('ends a request within a second of its run’s cancelling, and starts none of the others', async () => {
    system.simulator.rule({ answer: { kind: 'delay', ms: 60_000 } })
    await system.work({ WORKER_CONCURRENCY: '2' })
    const id = await system.ingest(['A', 'B', 'C', 'D'])
    await waitFor(() => system.simulator.arrivals().length === 2, { deadlineMs: DEADLINE_MS })
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
    expect(performance.now() - cancelledAt).toBeLessThan(2_500)
    expect(await system.run(id)).toMatchObject({
      status: 'cancelled',
      counts: { cancelled: 4 },
      rows: { fetched: 0 },
    })
    expect(system.simulator.arrivals()).toHaveLength(2)
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

  test('ends an item whose failures could not be recorded at first, and not one attempt later', async () => {
    await system.db.execute(`
      CREATE SEQUENCE tries;
      CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$
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
      CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION 'away' USING errcode = '57P01'; END IF; RETURN new; END $$;
      CREATE TRIGGER away BEFORE INSERT ON financial_data FOR EACH STATEMENT EXECUTE FUNCTION away()`)
    await system.work()
    const id = await system.ingest(['IBM'])
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', rows: { inserted: 100 } })
    expect(system.simulator.arrivals()).toHaveLength(1)
    expect(await failures(id)).toEqual([])
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

describe('a worker', () => {
  const system = useSystem()
  const rowsOf = (symbol: string) => listFinancialData(system.db, { symbol }, page)

  test('finds nothing to write when it fetches the same history again', async () => {
    await system.work()
    await system.run(await system.ingest(['IBM']))
    const before = await rowsOf('IBM')
    const again = await system.run(await system.ingest(['IBM'], { force: true }))
    expect(again.rows).toEqual({
      fetched: 100,
      inserted: 0,
      updated: 0,
      unchanged: 100,
      rejected: 0,
      provisional: 0,
    })
    expect(await rowsOf('IBM')).toEqual(before)
  })

  test('stores a restated value in place of the old one', async () => {
    await system.work()
    await system.run(await system.ingest(['IBM']))
    system.simulator.rule({ answer: { kind: 'restated' } })
    const again = await system.run(await system.ingest(['IBM']))
    expect(again.rows).toMatchObject({ updated: 1, unchanged: 99 })
  })

  test('asks for the whole history of a symbol without rows where the plan allows it, else for the newest rows', async () => {
    await system.work({ ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' })
    await system.run(await system.ingest(['IBM']))
    await system.run(await system.ingest(['IBM']))
    await system.run(await system.ingest(['AAPL'], { outputsize: 'compact' }))
    expect(system.simulator.arrivals().map((one) => [one.symbol, one.outputsize])).toEqual([
      ['IBM', 'full'],
      ['IBM', 'compact'],
      ['AAPL', 'compact'],
    ])
    expect((await rowsOf('IBM')).count).toBeGreaterThan(6_000)
  })

  test('quarantines a bad row with its reasons and stores the others', async () => {
    system.simulator.rule({ answer: { kind: 'bad_row', defect: 'high_below_low' } })
    await system.work()
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { fetched: 100, inserted: 99, rejected: 1 } })
    const { rows } = await listRejectedRows(system.db, { ...page, runId: run.id })
    expect(rows).toHaveLength(1)
    expect(rows[0]?.reasons).toContain('high_below_low')
    expect((await rowsOf('IBM')).rows.map((row) => row.date)).not.toContain(rows[0]?.date)
  })

  test('leaves out the bar of a session that is still open, and counts it', async () => {
    system.simulator.rule({ answer: { kind: 'open_session' } })
    await system.work()
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { provisional: 1 } })
    expect((await rowsOf('IBM')).count).toBe(run.rows.inserted)
    expect(run.rows.fetched).toBe(run.rows.inserted + 1)
  })

  test.each([
    ['another symbol’s series', { kind: 'other_symbol' }, 'bad_payload'],
    ['a repeated date', { kind: 'repeated_date' }, 'bad_payload'],
    ['an empty object', { kind: 'empty_object' }, 'no_data'],
    ['half a body', { kind: 'cut' }, 'network'],
    ['a redirect', { kind: 'redirect', location: 'http://169.254.169.254/' }, 'redirect'],
    ['a gzip bomb', { kind: 'gzip_bomb', bytes: 200_000_000 }, 'too_large'],
  ] as const)('stores nothing of %s', async (_what, answer, failureClass) => {
    system.simulator.rule({ answer })
    await system.work()
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({
      status: 'failed',
      rows: { fetched: 0 },
      failures: [{ class: failureClass, count: 1 }],
    })
    expect((await rowsOf('IBM')).count).toBe(0)
  })

  test('asks for the first symbols once, and not again when it is started again', async () => {
    const first = await system.work({ SYMBOLS: 'IBM, aapl' })
    await waitFor(async () => (await listFinancialData(system.db, {}, page)).count === 200, {
      deadlineMs: DEADLINE_MS,
    })
    await first.stop(AbortSignal.timeout(1_000))
    await system.work({ SYMBOLS: 'IBM,AAPL,MSFT' })
    await waitFor(async () => (await listFinancialData(system.db, {}, page)).count === 300, {
      deadlineMs: DEADLINE_MS,
    })
    expect(
      system.simulator
        .arrivals()
        .map((one) => one.symbol)
        .toSorted(),
    ).toEqual(['AAPL', 'IBM', 'MSFT'])
  })

  test('keeps the key out of logs, failures and jobs, even when the provider echoes it', async () => {
    system.simulator.rule({
      symbol: 'ECHO',
      times: 1,
      answer: {
        kind: 'raw',
        body: `{"Information": "Strange news about ${CANARY_KEY}, and ${encodeURIComponent(CANARY_KEY)}."}`,
      },
    })
    system.simulator.rule({ symbol: 'ECHO', nth: 1, answer: { kind: 'refusal', refusal: 'invalid_symbol' } })
    await system.work()
    const id = await system.ingest(['ECHO', 'IBM'])
    await system.run(id)
    const recorded = await listFailures(system.db, { ...page, runId: id })
    expect(recorded.failures[1]?.class).toBe('unrecognized')
    expect(recorded.failures[1]?.evidence).toContain('Strange news')
    const jobs = await system.queue.getJobs(['completed', 'failed'])
    for (const text of [JSON.stringify(recorded), JSON.stringify(jobs), system.logs.join('')]) {
      expect(text).not.toContain(CANARY_KEY)
      expect(text).not.toContain(encodeURIComponent(CANARY_KEY))
    }
  })
})
