import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { errorSentence } from '../../src/database/error-sentence.js'
import { useCheckedDatabase } from './checked-database.js'

const { connection, report, wrongLines, damage } = useCheckedDatabase()

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
