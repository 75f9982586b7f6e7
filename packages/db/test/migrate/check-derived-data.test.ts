import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { waitFor } from '@stockpile/test-harness/process'
import { storeSeries } from '../../src/runs/store-series.js'
import { series, takenItem } from '../database.js'
import { useCheckedDatabase } from './checked-database.js'

const { connection, report, wrongLines, damage } = useCheckedDatabase()

describe('what totals and days are wrong is named, and --repair counts them anew', () => {
  test.each<[string, SQL, RegExp]>([
    [
      'a total',
      sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`,
      /totals of symbols: 1 are not .*: IBM\. What to do: run/,
    ],
    [
      'a first day',
      sql`UPDATE symbols SET first_date = '2020-01-01' WHERE symbol = 'X'`,
      /totals of symbols: 1 are not .*: X\./,
    ],
    ['a symbol', sql`DELETE FROM symbols WHERE symbol = 'IBN'`, /totals of symbols: 1 are not .*: IBN\./],
    [
      'the days of a symbol',
      sql`DELETE FROM symbol_days WHERE symbol = 'IBM'`,
      /days of symbols: 1 are not .*: IBM\./,
    ],
    [
      'a day that has no row',
      sql`UPDATE symbol_days SET days = days || B'1' WHERE symbol = 'IBM'`,
      /days of symbols: 1 are not .*: IBM\./,
    ],
    [
      'days of a symbol without rows',
      sql`INSERT INTO symbol_days VALUES ('GONE', '2024-01-02', B'1')`,
      /days of symbols: 1 are not .*: GONE\./,
    ],
    [
      'a total of two characters',
      sql`UPDATE symbol_prefixes SET symbol_count = 1 WHERE prefix = 'IB'`,
      /totals of two characters: 1 are not .*: IB\./,
    ],
    [
      'a total of a run',
      sql`UPDATE run_totals SET succeeded = 2 WHERE run_id = (SELECT run_id FROM ingest_items WHERE symbol = 'X')`,
      /totals of runs: 1 are not .*: [\da-f-]{36}\. What to do: run/,
    ],
    [
      'the class of a failure',
      sql`UPDATE run_totals SET failure_class = 'timeout' WHERE failed > 0`,
      /totals of runs: 1 are not .*: [\da-f-]{36}\./,
    ],
    [
      'a run whose totals are gone',
      sql`DELETE FROM run_totals WHERE run_id = (SELECT run_id FROM ingest_items WHERE symbol = 'IBM')`,
      /totals of runs: 1 are not .*: [\da-f-]{36}\./,
    ],
  ])('%s', async (_what, statement, line) => {
    await damage([statement])
    expect(await wrongLines()).toEqual([expect.stringMatching(line)])
    const repaired = await report({ repair: true })
    expect(repaired.sound).toBe(true)
    expect(repaired.lines[0]).toMatch(/^repaired {2}(totals|days) of /)
    expect(await wrongLines()).toEqual([])
  })

  test('rows that were written past the triggers are counted everywhere', async () => {
    await damage([
      sql`INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
          SELECT 'NEW', '2024-01-02'::date + day, 1, 1, 1, 1, 1 FROM generate_series(0, 9) AS day`,
      sql`DELETE FROM financial_data WHERE symbol = 'X'`,
    ])
    expect((await wrongLines()).map((line) => line.replace(/:.*/, ''))).toEqual([
      'WRONG     totals of symbols',
      'WRONG     days of symbols',
      'WRONG     totals of two characters',
    ])
    await report({ repair: true })
    expect(await wrongLines()).toEqual([])
    // The triggers are back: they go on from there.
    await connection.db.execute(sql`DELETE FROM financial_data WHERE symbol = 'NEW' AND date > '2024-01-05'`)
    expect(await wrongLines()).toEqual([])
  })
})

test('--repair blocks nobody for long beside an open transaction, and ends once that has', async () => {
  const { db } = connection
  await damage([sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`])
  let repaired = Promise.resolve({ sound: false })
  await db.transaction(async (open) => {
    await open.execute(sql`UPDATE symbols SET last_fetched_at = now() WHERE symbol = 'X'`)
    repaired = report({ repair: true })
    repaired.catch(() => {})
    await waitFor(async () => (await open.execute(WAITS_FOR_SYMBOLS)).length > 0, { deadlineMs: 30_000 })
    // It would wait for the open transaction, this for it.
    await storeSeries(db, await takenItem(db, 'IBM', { force: true }), series())
  })
  expect((await repaired).sound).toBe(true)
  expect(await wrongLines()).toEqual([])
})
const WAITS_FOR_SYMBOLS = sql`
  SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND relation = 'symbols'::regclass AND mode = 'ExclusiveLock' AND NOT granted`

test('readers go on while --repair counts all rows, also when it made functions anew before', async () => {
  const { db } = connection
  await damage([
    sql`UPDATE symbol_days SET days = B'1'`,
    sql`ALTER TABLE financial_data DISABLE TRIGGER financial_data_inserted`,
    // Stands for rows that take long to count.
    sql`CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END'`,
    sql`CREATE TRIGGER slow BEFORE UPDATE ON symbol_days EXECUTE FUNCTION wait_for_test()`,
  ])
  let repaired = Promise.resolve<string[]>([])
  await db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(42)`)
    repaired = report({ repair: true }).then(({ lines }) => lines)
    repaired.catch(() => {})
    await waitFor(async () => (await tx.execute(WAITS_FOR_TEST)).length > 0, { deadlineMs: 30_000 })
    expect(await db.execute(sql`SELECT FROM financial_data JOIN symbols USING (symbol)`)).toHaveLength(6)
  })
  expect((await repaired).filter((line) => line.startsWith('repaired'))).toHaveLength(1)
  expect(await wrongLines()).toEqual([expect.stringMatching(/has instead trigger CREATE TRIGGER slow/)])
})
const WAITS_FOR_TEST = sql`
  SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND locktype = 'advisory' AND objid = 42 AND NOT granted`
