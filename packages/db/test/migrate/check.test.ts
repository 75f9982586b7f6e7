import { waitFor } from '@stockpile/test-harness/process'
import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { checkAndReport } from '../../src/migrate/check-report.js'
import { errorSentence } from '../../src/database/error-sentence.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { failure, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()

/** Rows of three symbols, a rejected record and a failed item. */
beforeEach(async () => {
  const { db } = connection
  for (const symbol of ['IBM', 'IBN', 'X']) {
    const rejected = [{ date: '2024-01-04', raw: { close: 'x' }, reasons: ['not_a_number'] }]
    await storeSeries(db, await takenItem(db, symbol), series({ rejected }))
  }
  const failing = await takenItem(db, 'NONE')
  await failAttempt(db, failing, failure, { final: true })
})

async function report(options: { repair?: boolean } = {}): Promise<{ sound: boolean; lines: string[] }> {
  const lines: string[] = []
  const print = (line: string) => lines.push(line)
  const sound = await checkAndReport(connection.db, { repair: options.repair ?? false, print })
  return { sound, lines }
}

async function wrongLines(): Promise<string[]> {
  const { lines } = await report()
  return lines.filter((line) => line.startsWith('WRONG'))
}

/** As somebody does who takes the guards away. */
async function damage(statements: SQL[]): Promise<void> {
  await connection.db.transaction(async (tx) => {
    await tx.execute(sql`SET LOCAL session_replication_role = replica`)
    for (const statement of statements) await tx.execute(statement)
  })
}

test('nothing is wrong with a database as the programs leave it, and each check says what it saw', async () => {
  const { sound, lines } = await report()
  expect(lines.filter((line) => !line.startsWith('ok'))).toEqual(['Nothing is wrong.'])
  expect(lines).toContain('ok        totals of symbols: as the rows say (6 rows of 3 symbols)')
  expect(sound).toBe(true)
})

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

describe('what is not as this version made it is named', () => {
  test.each<[string, SQL, RegExp]>([
    [
      'a column that is gone',
      sql`ALTER TABLE rejected_rows DROP COLUMN times`,
      /tables and indexes: lacks column public.rejected_rows.times integer/,
    ],
    [
      'a type',
      sql`ALTER TABLE ingest_failures ALTER COLUMN http_status TYPE bigint`,
      /lacks column public.ingest_failures.http_status integer; has instead column public.ingest_failures.http_status bigint/,
    ],
    [
      'a default',
      sql`ALTER TABLE symbols ALTER COLUMN row_count DROP DEFAULT`,
      /lacks column public.symbols.row_count integer not null default 0/,
    ],
    [
      'a column that may be null',
      sql`ALTER TABLE symbols ALTER COLUMN row_count DROP NOT NULL`,
      /lacks column public.symbols.row_count integer not null/,
    ],
    [
      'a constraint',
      sql`ALTER TABLE financial_data DROP CONSTRAINT financial_data_ohlc`,
      /lacks constraint public.financial_data.financial_data_ohlc CHECK/,
    ],
    [
      'a constraint that is not checked',
      sql`ALTER TABLE financial_data DROP CONSTRAINT financial_data_volume, ADD CONSTRAINT financial_data_volume CHECK (volume >= 0 AND volume < 'Infinity') NOT VALID`,
      /has instead constraint .* not valid/i,
    ],
    ['an index', sql`DROP INDEX ingest_items_unfinished`, /lacks index CREATE INDEX ingest_items_unfinished/],
    [
      'the values in the index of a primary key',
      sql`ALTER TABLE financial_data DROP CONSTRAINT financial_data_pkey, ADD CONSTRAINT financial_data_pkey PRIMARY KEY (symbol, date)`,
      /lacks index CREATE UNIQUE INDEX financial_data_pkey .* INCLUDE/,
    ],
    [
      'a storage parameter',
      sql`ALTER TABLE symbols RESET (fillfactor)`,
      /lacks table public.symbols with \(fillfactor=50\); has instead table public.symbols/,
    ],
    [
      'a table that is gone',
      sql`DROP TABLE price_revisions`,
      /tables and indexes: lacks table public.price_revisions;/,
    ],
    [
      'a column beside',
      sql`ALTER TABLE symbols ADD COLUMN note text`,
      /has instead column public.symbols.note text/,
    ],
    [
      'a trigger beside',
      sql`CREATE TRIGGER mine BEFORE UPDATE ON symbols FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
      /tables and indexes: has instead trigger CREATE TRIGGER mine .* What to do: undo by hand/,
    ],
  ])('%s', async (_what, statement, line) => {
    await connection.db.execute(statement)
    const wrong = await wrongLines()
    expect(wrong).toEqual([expect.stringMatching(line)])
  })

  test('but not what somebody keeps beside it', async () => {
    const { db } = connection
    await db.execute(sql`CREATE TABLE symbols_of_mine (symbol text PRIMARY KEY REFERENCES symbols)`)
    await db.execute(sql`CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1`)
    await db.execute(sql`CREATE INDEX of_mine ON financial_data (date)`)
    await db.execute(sql`CREATE VIEW mine AS SELECT * FROM financial_data`)
    expect(await wrongLines()).toEqual([])
  })

  test.each<[string, SQL, RegExp]>([
    [
      'a trigger that is gone',
      sql`DROP TRIGGER financial_data_deleted ON financial_data`,
      /functions and triggers: lacks trigger CREATE TRIGGER financial_data_deleted .*: without them/,
    ],
    [
      'a trigger that is switched off',
      sql`ALTER TABLE financial_data DISABLE TRIGGER financial_data_inserted`,
      /has instead trigger CREATE TRIGGER financial_data_inserted .* enabled D/,
    ],
    [
      'a function',
      sql`CREATE OR REPLACE FUNCTION interval_ms(waiting interval) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN 0`,
      /lacks function public.interval_ms\(interval\)/,
    ],
    [
      'a function of the same name',
      sql`CREATE FUNCTION interval_ms(waiting text) RETURNS float8 LANGUAGE sql IMMUTABLE RETURN 0`,
      /has instead function public.interval_ms\(text\)/,
    ],
  ])('and --repair makes it anew: %s', async (_what, statement, line) => {
    await connection.db.execute(statement)
    expect(await wrongLines()).toEqual([expect.stringMatching(line)])
    // What it did not count meanwhile is counted too.
    await connection.db.execute(sql`DELETE FROM financial_data WHERE symbol = 'X'`)
    const { sound } = await report({ repair: true })
    expect(sound).toBe(true)
  })

  test('a migration of another build, and functions of another version, are named before anything else', async () => {
    const { db } = connection
    await db.execute(sql`UPDATE drizzle.sql_functions SET hash = 'another'`)
    expect((await report()).lines[0]).toMatch(
      /^WRONG {5}migrations: the functions and triggers are another version's\. What to do: run the migrations/,
    )
    await db.execute(
      sql`DELETE FROM drizzle.__drizzle_migrations WHERE id = (SELECT max(id) FROM drizzle.__drizzle_migrations)`,
    )
    expect(await wrongLines()).toEqual([expect.stringMatching(/migrations: \d{4}_\w+ is missing; /)])
    await db.execute(sql`UPDATE drizzle.__drizzle_migrations SET hash = 'of-another-history' WHERE id = 2`)
    const { sound, lines } = await report({ repair: true })
    expect(lines[1]).toMatch(
      /^WRONG {5}migrations: of-another-h is not one of this version; .* What to do: run the version that made them/,
    )
    expect(sound).toBe(false)
  })
})

describe('what --repair cannot do is said, and it changes nothing', () => {
  test.each<[string, SQL, RegExp]>([
    [
      'a table that is counted is gone',
      sql`DROP TABLE run_totals`,
      /lacks table public.run_totals; .* check again/,
    ],
    [
      'a table that is counted from is gone',
      sql`DROP TABLE ingest_failures`,
      /lacks table public.ingest_failures;/,
    ],
    [
      'a column has another name',
      sql`ALTER TABLE run_totals RENAME COLUMN pending TO left_over`,
      /lacks column public.run_totals.pending integer not null; .* check again/,
    ],
    [
      'entries have no key any more',
      sql`ALTER TABLE symbol_days DROP CONSTRAINT symbol_days_pkey`,
      /tables and indexes: lacks constraint public.symbol_days.symbol_days_pkey PRIMARY KEY/,
    ],
    [
      'what notes the migrations is gone',
      sql`DROP SCHEMA drizzle CASCADE`,
      /migrations: 0000_foundation is missing; .* restore the schema drizzle from a backup/,
    ],
    [
      'one migration is not noted',
      sql`DELETE FROM drizzle.__drizzle_migrations WHERE id = 3`,
      /migrations: 0002_items_outcome is missing\. What to do: .* restore the schema drizzle/,
    ],
  ])('%s', async (_what, statement, line) => {
    await damage([sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`, statement])
    expect(await wrongLines()).toContainEqual(expect.stringMatching(line))
    const { sound, lines } = await report({ repair: true })
    expect(sound).toBe(false)
    expect(lines[0]).toMatch(
      /^Nothing was repaired: first do what is said of (migrations|tables and indexes)\.$/,
    )
    const [kept] = await connection.db.execute(sql`SELECT row_count FROM symbols WHERE symbol = 'IBM'`)
    expect(kept).toEqual({ row_count: 7 })
  })

  test('a view of somebody that uses a function of ours is named', async () => {
    const { db } = connection
    await db.execute(
      sql`CREATE VIEW mine AS SELECT days_between(first_day, days, '-infinity', 'infinity') FROM symbol_days`,
    )
    await db.execute(sql`ALTER TABLE financial_data DISABLE TRIGGER financial_data_inserted`)
    const error: unknown = await report({ repair: true }).catch((thrown: unknown) => thrown)
    expect(errorSentence(error)).toMatch(
      /view mine depends on function days_between\(.*\): drop that, and make it anew afterwards\.$/,
    )
  })
})

test('a column with another default is named, and what is counted is looked at and repaired all the same', async () => {
  await connection.db.execute(sql`ALTER TABLE ingest_failures ALTER COLUMN detail SET DEFAULT ''`)
  await damage([sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`])
  expect(await wrongLines()).toHaveLength(2)
  const { sound, lines } = await report({ repair: true })
  expect(sound).toBe(false)
  expect(lines.filter((line) => line.startsWith('WRONG'))).toEqual([
    expect.stringMatching(/lacks column public.ingest_failures.detail text not null; has instead/),
  ])
})

test('functions and constraint triggers that are gone together are made anew together', async () => {
  await connection.db.execute(sql`DROP FUNCTION count_symbol CASCADE`)
  expect(await wrongLines()).toEqual([expect.stringMatching(/functions and triggers: lacks constraint/)])
  expect((await report({ repair: true })).sound).toBe(true)
})

test('--repair holds up nobody for long beside an open transaction, and ends once that has', async () => {
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

describe('what cannot be is named', () => {
  test.each<[string, SQL, RegExp]>([
    [
      'an item without its run',
      sql`DELETE FROM ingest_runs WHERE id = (SELECT run_id FROM ingest_items WHERE symbol = 'X')`,
      /items without a run: 1: [0-9a-f-]{36}\./,
    ],
    [
      'a failure without its item',
      sql`WITH gone AS (DELETE FROM ingest_items WHERE symbol = 'NONE' RETURNING run_id)
          DELETE FROM run_totals USING gone WHERE run_totals.run_id = gone.run_id`,
      /failures without their item: 1: \d+\./,
    ],
    [
      'a failure of another symbol',
      sql`UPDATE ingest_failures SET symbol = 'OTHER'`,
      /failures without their item: 1: \d+\./,
    ],
    [
      'a link without its item',
      sql`WITH gone AS (DELETE FROM ingest_items WHERE symbol = 'X' RETURNING run_id)
          DELETE FROM run_totals USING gone WHERE run_totals.run_id = gone.run_id`,
      /links of rejected rows without an end: 1: \d+\./,
    ],
    [
      'a link without its rejected row',
      sql`DELETE FROM rejected_rows WHERE symbol = 'X'`,
      /links of rejected rows without an end: 1: \d+\./,
    ],
    [
      'a kept answer without its run',
      sql`INSERT INTO idempotency_keys (key, request_hash, run_id, answer) VALUES ('k', 'h', uuidv7(), '{}')`,
      /kept answers without a run: 1: /,
    ],
    [
      'a failed item without a failure',
      sql`UPDATE ingest_failures SET final = false`,
      /failed items without a final failure: 1: \d+\..*retry/,
    ],
    [
      'attempts without failures',
      sql`UPDATE ingest_items SET attempts = 2 WHERE symbol = 'X'`,
      /items with more attempts than failures: 1: \d+\./,
    ],
  ])('%s', async (_what, statement, line) => {
    await damage([statement])
    expect(await wrongLines()).toEqual([expect.stringMatching(line)])
    expect((await report({ repair: true })).sound).toBe(false)
  })
})

test('the check writes nothing', async () => {
  const { db } = connection
  await damage([sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`])
  await db.execute(
    sql`ALTER DATABASE ${sql.identifier(new URL(connection.url).pathname.slice(1))} SET default_transaction_read_only = on`,
  )
  const other = connection.open()
  const lines: string[] = []
  await checkAndReport(other.db, { repair: false, print: (line) => lines.push(line) })
  expect(lines.at(-1)).toBe('1 of 13 checks found something wrong.')
})
