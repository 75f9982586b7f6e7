import { sql } from 'drizzle-orm'
import { useDatabase } from '@stockpile/test-harness/database'
import { expect, test } from 'vitest'
import { connect } from '../src/connection.js'
import { assertMigrated, migrate, SchemaVersionError } from '../src/migrate.js'

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
