import { waitFor } from '@stockpile/test-harness/process'
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { migrate } from '../../src/migrate/migrate.js'
import { readMigrations } from '../../src/migrate/migrations.js'
import { takeTables, TablesBusyError, whenTablesAreFree } from '../../src/migrate/table-locks.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { series, takenItem, useConnection } from '../database.js'

const connection = useConnection()
const DEADLINE = { deadlineMs: 30_000 }

test('a migration beside a transaction that takes the tables in another order ends neither of them', async () => {
  const { db } = connection
  await db.execute(sql`UPDATE drizzle.sql_functions SET hash = 'of-the-version-before'`)
  let migrated: Promise<unknown> = Promise.resolve()
  await db.transaction(async (worker) => {
    await worker.execute(
      sql`INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume) VALUES ('IBM', '2024-01-02', 1, 1, 1, 1, 1)`,
    )
    migrated = migrate(connection.url)
    migrated.catch(() => {})
    // The migration holds the tables before financial_data, and waits for that one.
    await waitFor(
      async () =>
        (
          await worker.execute(sql`
          SELECT 1 FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND relation = 'financial_data'::regclass AND mode = 'AccessExclusiveLock' AND NOT granted`)
        ).length > 0,
      DEADLINE,
    )
    await worker.execute(sql`UPDATE ingest_items SET claim = claim`)
    await worker.execute(sql`UPDATE symbols SET last_fetched_at = now() WHERE symbol = 'IBM'`)
  })
  expect(await migrated).toMatchObject({ functions: true })
  const [kept] = await db.execute(sql`SELECT row_count FROM symbols WHERE symbol = 'IBM'`)
  expect(kept).toEqual({ row_count: 1 })
})

test('a migration that drops a table ends no reader of that table, which goes on to others', async () => {
  const { db } = connection
  // Makes the database one from before the migration that drops a table.
  await db.execute(sql`CREATE TABLE symbol_initials (initial text PRIMARY KEY)`)
  const dropping = readMigrations().find(({ tag }) => tag === '0016_symbol_prefixes_alone')
  await db.execute(sql`DELETE FROM drizzle.__drizzle_migrations WHERE hash = ${dropping?.hash}`)
  let migrated: Promise<unknown> = Promise.resolve()
  await db.transaction(async (reader) => {
    await reader.execute(sql`SELECT FROM symbol_initials`)
    migrated = migrate(connection.url)
    migrated.catch(() => {})
    const waits = async () => {
      const [lock] = await reader.execute<{ since: string; isLong: boolean }>(sql`
        SELECT waitstart::text AS since, clock_timestamp() - waitstart > current_setting('deadlock_timeout')::interval AS "isLong"
          FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND relation = 'symbol_initials'::regclass AND NOT granted AND waitstart IS NOT NULL`)
      return lock
    }
    let first: string | undefined
    // A migration that waits for longer than deadlock_timeout has looked for a deadlock, and leaves it to the reader to find one.
    await waitFor(async () => {
      const lock = await waits()
      first ??= lock?.since
      return lock !== undefined && (lock.isLong || lock.since !== first)
    }, DEADLINE)
    expect(await reader.execute(sql`SELECT FROM symbol_prefixes`)).toHaveLength(0)
  })
  expect(await migrated).toMatchObject({ migrations: 1, functions: false })
})

test('a migration waits for a vacuum for longer than it takes PostgreSQL to end an automatic one, and blocks no writer', async () => {
  const { db } = connection
  await db.execute(sql`UPDATE drizzle.sql_functions SET hash = 'of-the-version-before'`)
  let migrated: Promise<unknown> = Promise.resolve()
  await db.transaction(async (vacuum) => {
    await vacuum.execute(sql`LOCK TABLE financial_data IN SHARE UPDATE EXCLUSIVE MODE`)
    migrated = migrate(connection.url)
    migrated.catch(() => {})
    // PostgreSQL ends an autovacuum that is in the way after deadlock_timeout.
    await waitFor(
      async () =>
        (
          await db.execute(sql`
          SELECT FROM pg_locks WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND relation = 'financial_data'::regclass AND NOT granted
             AND clock_timestamp() - waitstart > current_setting('deadlock_timeout')::interval`)
        ).length > 0,
      DEADLINE,
    )
    await storeSeries(db, await takenItem(db, 'IBM'), series())
  })
  expect(await migrated).toMatchObject({ functions: true })
})

test('a migration gives up when others keep a table, with what to do, and has changed nothing', async () => {
  const { db } = connection
  const other = connection.open()
  await db.transaction(async (tx) => {
    await tx.execute(sql`SELECT FROM financial_data`)
    const work = whenTablesAreFree(
      other.db,
      async (migration) => {
        await migration.execute(sql`CREATE TABLE half_done ()`)
        await takeTables(migration)
      },
      500,
    )
    await expect(work).rejects.toThrow(TablesBusyError)
    await expect(work).rejects.toThrow(
      /kept Stockpile's tables in use for 0.5 s, and what takes them was not done: end what runs long/,
    )
  })
  const [made] = await db.execute(sql`SELECT to_regclass('half_done') AS name`)
  expect(made).toEqual({ name: null })
})
