import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import { useDatabase } from '@stockpile/test-harness/database'
import { expect, onTestFinished, test } from 'vitest'
import { connect } from '../../src/database/connection.js'
import { assertMigrated, migrate, SchemaVersionError } from '../../src/migrate/migrate.js'
import { listRejectedRows } from '../../src/runs/rejected-rows.js'

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url))

const database = useDatabase({ empty: true })

async function withDatabase<T>(work: (db: ReturnType<typeof connect>['db']) => Promise<T>): Promise<T> {
  const { db, close } = connect({
    databaseUrl: database.url,
    applicationName: 'migrate-test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  try {
    return await work(db)
  } finally {
    await close()
  }
}

test('20 replicas that migrate at once all succeed, and each migration is applied once', async () => {
  await Promise.all(Array.from({ length: 20 }, () => migrate(database.url)))
  await withDatabase(async (db) => {
    const [applied] = await db.execute(
      sql`SELECT count(*)::int AS times, count(DISTINCT hash)::int AS migrations FROM drizzle.__drizzle_migrations`,
    )
    expect(applied?.['times']).toBe(applied?.['migrations'])
    await expect(assertMigrated(db)).resolves.toBeUndefined()
  })
})

test('a database that was never migrated is refused with what to do', async () => {
  await expect(withDatabase(assertMigrated)).rejects.toThrow(/older than this version.*run its migrations/)
})

test('functions and triggers stand in the database as in this code, whatever stood there before under their names', async () => {
  expect(await migrate(database.url)).toMatchObject({ functions: true })
  await withDatabase(async (db) => {
    await db.execute(sql`DROP FUNCTION interval_ms(interval)`)
    await db.execute(
      sql`CREATE FUNCTION interval_ms(a int, b int DEFAULT 0) RETURNS int LANGUAGE sql RETURN a + b`,
    )
    await db.execute(sql`DROP TRIGGER financial_data_deleted ON financial_data`)
    expect(await migrate(database.url)).toMatchObject({ migrations: 0, functions: false })
    await db.execute(sql`UPDATE drizzle.sql_functions SET hash = 'of-another-version'`)
    await expect(assertMigrated(db)).rejects.toThrow(/run its migrations/)
    expect(await migrate(database.url)).toMatchObject({ migrations: 0, functions: true })
    const [made] = await db.execute(sql`
      SELECT (SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE proname = 'interval_ms') AS functions,
             (SELECT count(*)::int FROM pg_trigger WHERE tgname = 'financial_data_deleted') AS triggers`)
    expect(made).toEqual({ functions: 'interval_ms(interval)', triggers: 1 })
    await expect(assertMigrated(db)).resolves.toBeUndefined()
  })
})

test('a schema newer than the code stops both the start and the migration', async () => {
  await migrate(database.url)
  await withDatabase((db) =>
    db.execute(
      sql`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('of-tomorrow', 9999999999999)`,
    ),
  )
  await expect(withDatabase(assertMigrated)).rejects.toThrow(SchemaVersionError)
  await expect(migrate(database.url)).rejects.toThrow(/newer than this version/)
})

test('the data of an older version is brought along: how items succeeded, each rejected record once, and the days of symbols', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-migrations-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await cp(MIGRATIONS, folder, { recursive: true })
  const journal = join(folder, 'meta', '_journal.json')
  // drizzle's journal has one entry for each migration.
  const [head = '', first = ''] = (await readFile(journal, 'utf8')).split(/(?<="entries": \[)/)
  await writeFile(journal, `${head}${first.slice(0, first.indexOf('}') + 1)}]}`)
  await withDatabase(async (db) => {
    await applyMigrations(db, { migrationsFolder: folder })
    await db.execute(sql`
      WITH run AS (
        INSERT INTO ingest_runs (trigger, outputsize, force, priority) VALUES ('api', 'auto', false, 'normal') RETURNING id
      ), item AS (
        INSERT INTO ingest_items (run_id, symbol, state, finished_at, rows_fetched, rows_inserted, rows_rejected)
        SELECT run.id, symbol, 'succeeded', now(), 2, 1, 1 FROM run, unnest(ARRAY['IBM', 'IBM', 'AAPL']) AS symbol
        RETURNING id, run_id, symbol
      )
      INSERT INTO rejected_rows (item_id, run_id, symbol, raw, reasons)
      SELECT id, run_id, symbol, '{"close": "x"}', ARRAY['not_a_number'] FROM item`)
    await db.execute(sql`
      INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
      SELECT 'IBM', date, 1, 1, 1, 1, 1 FROM unnest('{2024-01-05,2024-01-02,2024-01-03}'::date[]) AS date`)
  })
  await migrate(database.url)
  await withDatabase(async (db) => {
    const items = await db.execute(sql`SELECT DISTINCT state, outcome, had_rows FROM ingest_items`)
    expect([...items]).toEqual([{ state: 'succeeded', outcome: 'fetched', had_rows: true }])
    const { rows, count } = await listRejectedRows(db, { limit: 10, offset: 0 })
    expect(count).toBe(2)
    expect(Object.fromEntries(rows.map((row) => [row.symbol, row.times]))).toEqual({ AAPL: 1, IBM: 2 })
    const [brought] = await db.execute(sql`SELECT count(*)::int AS items FROM item_rejected_rows`)
    expect(brought?.['items']).toBe(3)
    const days = await db.execute(sql`SELECT symbol, first_day, days::text FROM symbol_days`)
    expect([...days]).toEqual([{ symbol: 'IBM', first_day: '2024-01-02', days: '1101' }])
    await expect(assertMigrated(db)).resolves.toBeUndefined()
  })
})
