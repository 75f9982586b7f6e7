import { listFailures } from '@stockpile/db/failures'
import { listRejectedRowsOfRun } from '@stockpile/db/rejected-rows'
import { listFinancialData } from '@stockpile/db/financial-data'
import { hasSyntheticData } from '@stockpile/db/synthetic-data'
import { waitFor } from '@stockpile/test-harness/process'
import { describe, expect, test } from 'vitest'
import { CANARY_KEY, useSystem } from '../system.js'

const DEADLINE_MS = 10_000
const page = { limit: 100, offset: 0 }

describe('what a worker stores', () => {
  const system = useSystem()
  const rowsOf = (symbol: string) => listFinancialData(system.db, { symbols: [symbol] }, page)

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

  test('that prices are made up when the simulator made them, and for good', async () => {
    await system.work()
    expect(await hasSyntheticData(system.db)).toBe(false)
    await system.run(await system.ingest(['IBM']))
    expect(await hasSyntheticData(system.db)).toBe(true)
  })

  test('nothing of a symbol whose rows PostgreSQL refuses, and says so after five attempts: others go on', async () => {
    await system.db.execute(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a defect'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON financial_data FOR EACH ROW WHEN (NEW.symbol = 'IBM') EXECUTE FUNCTION refuse()`)
    await system.work()
    const run = await system.run(await system.ingest(['IBM', 'AAPL']))
    expect(run).toMatchObject({ status: 'partial', counts: { succeeded: 1, failed: 1 } })
    const { failures } = await listFailures(system.db, { ...page, runId: run.id })
    expect(failures.map((one) => [one.symbol, one.class, one.final])).toEqual([
      ['IBM', 'internal', true],
      ...Array.from({ length: 4 }, () => ['IBM', 'internal', false]),
    ])
    expect(failures[0]?.detail).toContain('a defect')
    expect((await rowsOf('IBM')).count).toBe(0)
  })

  test('stores a restated value in place of the old one', async () => {
    await system.work()
    await system.run(await system.ingest(['IBM']))
    system.simulator.rule({ answer: { kind: 'restated' } })
    const again = await system.run(await system.ingest(['IBM'], { force: true }))
    expect(again.rows).toMatchObject({ updated: 1, unchanged: 99 })
  })

  test('asks for the whole history of a symbol without rows where the plan allows it, else for the newest rows', async () => {
    await system.work({ ALPHAVANTAGE_PLAN: '1200', ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0' })
    await system.run(await system.ingest(['IBM']))
    await system.run(await system.ingest(['IBM'], { force: true }))
    await system.run(await system.ingest(['AAPL'], { outputsize: 'compact' }))
    expect(system.simulator.arrivals().map((one) => [one.symbol, one.outputsize])).toEqual([
      ['IBM', 'full'],
      ['IBM', 'compact'],
      ['AAPL', 'compact'],
    ])
    expect((await rowsOf('IBM')).count).toBeGreaterThan(6_000)
  })

  test('keeps the fractions of a volume as they came, and finds nothing to write when they come again', async () => {
    system.simulator.rule({ answer: { kind: 'fractional_volumes', rows: 100 } })
    await system.work()
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { inserted: 100, rejected: 0 } })
    const { rows } = await rowsOf('IBM')
    expect(rows.length).toBeGreaterThan(0)
    for (const { volume } of rows) expect(volume).toMatch(/^\d+\.562155$/)
    const again = await system.run(await system.ingest(['IBM'], { force: true }))
    expect(again.rows).toMatchObject({ updated: 0, unchanged: 100 })
  })

  test('quarantines a bad row with its reasons and stores the others', async () => {
    system.simulator.rule({ answer: { kind: 'bad_row', defect: 'high_below_low' } })
    await system.work()
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { fetched: 100, inserted: 99, rejected: 1 } })
    const { rows } = await listRejectedRowsOfRun(system.db, run.id, page)
    expect(rows).toHaveLength(1)
    expect(rows[0]?.reasons).toContain('high_below_low')
    expect((await rowsOf('IBM')).rows.map((row) => row.date)).not.toContain(rows[0]?.date)
  })

  test.each([
    // Whether it is missing afterwards, and whether somebody has to look.
    { alike: true, inserted: 100, rejected: 1, reason: 'repeated_date', resolved: true },
    { alike: false, inserted: 99, rejected: 2, reason: 'conflicting_date', resolved: false },
  ])(
    'of a date that comes twice quarantines what must not be stored, and stores the others ($reason)',
    async ({ alike, inserted, rejected, reason, resolved }) => {
      system.simulator.rule({ answer: { kind: 'repeated_date', alike } })
      await system.work()
      const run = await system.run(await system.ingest(['IBM']))
      expect(run).toMatchObject({ status: 'succeeded', rows: { fetched: 101, inserted, rejected } })
      const { rows } = await listRejectedRowsOfRun(system.db, run.id, page)
      expect(rows).toHaveLength(rejected)
      for (const row of rows) {
        expect(row.reasons).toEqual([reason])
        expect(row.resolvedAt !== null).toBe(resolved)
      }
      const stored = (await rowsOf('IBM')).rows.map((row) => row.date)
      expect(stored.includes(rows[0]?.date ?? '')).toBe(alike)
    },
  )

  test('leaves out the bar of a session that is still open, and counts it', async () => {
    system.simulator.rule({ answer: { kind: 'open_session' } })
    await system.work()
    // Elsewhere, so that the session of a weekend is one as well.
    const run = await system.run(await system.ingest(['IBM.LON']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { provisional: 1 } })
    expect((await rowsOf('IBM.LON')).count).toBe(run.rows.inserted)
    expect(run.rows.fetched).toBe(run.rows.inserted + 1)
  })

  test.each([
    ['another symbol’s series', { kind: 'other_symbol' }, 'wrong_symbol'],
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
