import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator'
import { connect } from './connection.js'
import type { Database } from './connection.js'

const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url))
/** "STOCK" in ASCII: one migration at a time, however many replicas start at once. */
const MIGRATION_LOCK = 0x53544f434b
/** uuidv7(), and skip scans of the covering index. */
const MINIMUM_SERVER = 180_000

/** The schema of the database and the one that this code knows do not match. */
export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError'
}

/**
 * Brings the database to this code's schema. Any number may run at once: each waits for the advisory lock
 * and finds the work done.
 * @throws SchemaVersionError when the database is newer than this code, or PostgreSQL older than 18
 */
export async function migrate(databaseUrl: string): Promise<void> {
  // One connection, since the lock is the session's; no statement timeout, since an index may take its time.
  const { db, close } = connect({
    databaseUrl,
    applicationName: 'stockpile-migrate',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
  try {
    await assertServerVersion(db)
    await db.execute(sql`SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`)
    assertNotNewer(await appliedVersion(db))
    await applyMigrations(db, { migrationsFolder })
  } finally {
    await close()
  }
}

/**
 * What every process asks before it serves.
 * @throws SchemaVersionError when the schema is not exactly this code's, saying what to do
 */
export async function assertMigrated(db: Database): Promise<void> {
  const applied = await appliedVersion(db)
  assertNotNewer(applied)
  if (applied < knownVersion()) {
    throw new SchemaVersionError(
      'The database schema is older than this version of Stockpile: run its migrations first (npm start and docker compose do).',
    )
  }
}

function assertNotNewer(applied: number): void {
  if (applied > knownVersion()) {
    throw new SchemaVersionError(
      'The database schema is newer than this version of Stockpile: run the newer version, or restore a backup made before the upgrade.',
    )
  }
}

async function assertServerVersion(db: Database): Promise<void> {
  const [row] = await db.execute<{ version: number; text: string }>(
    sql`SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS text`,
  )
  if (row !== undefined && row.version < MINIMUM_SERVER) {
    throw new SchemaVersionError(`Stockpile needs PostgreSQL 18; the server is ${row.text}.`)
  }
}

/** The time of the newest migration in the journal: drizzle orders migrations by it. */
function knownVersion(): number {
  return Math.max(...readMigrationFiles({ migrationsFolder }).map((migration) => migration.folderMillis))
}

/** Zero for a database that was never migrated. */
async function appliedVersion(db: Database): Promise<number> {
  const [table] = await db.execute<{ known: boolean }>(
    sql`SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS known`,
  )
  if (table?.known !== true) return 0
  const [row] = await db.execute<{ version: string | null }>(
    sql`SELECT max(created_at)::text AS version FROM drizzle.__drizzle_migrations`,
  )
  return Number(row?.version ?? 0)
}
