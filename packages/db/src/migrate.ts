import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import { connect } from './connection.js'
import type { Database, Transaction } from './connection.js'
import { appliedFunctions, readSqlFunctions, replaceSqlFunctions } from './sql-functions.js'

const migrationsFolder = fileURLToPath(new URL('../migrations', import.meta.url))
/** "STOCK" in ASCII: one migration at a time, however many replicas start at once. */
const MIGRATION_LOCK = 0x53544f434b
/** uuidv7(), and skip scans of the covering index. */
const MINIMUM_SERVER = 180_000

/** The schema of the database and the one that this code knows do not match. */
export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError'
}

/** What a migration did; nothing of it: the schema was this code's already. */
export interface Migrated {
  /** Numbered migrations that were applied. */
  migrations: number
  /** Whether the functions and triggers were replaced. */
  functions: boolean
}

/**
 * Brings the database to this code's schema: the numbered migrations that it lacks, then the functions and triggers, in one
 * transaction. Any number may run at once: each waits for the advisory lock and finds the work done.
 * @throws SchemaVersionError when the database is newer than this code, or PostgreSQL older than 18
 */
export async function migrate(databaseUrl: string): Promise<Migrated> {
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
    const applied = await appliedVersion(db)
    assertNotNewer(applied)
    return await db.transaction(async (tx) => ({
      migrations: await applyMigrations(tx, applied),
      functions: await replaceSqlFunctions(tx),
    }))
  } finally {
    await close()
  }
}

/**
 * Applies what is later than the newest migration that was applied, and notes it where drizzle would. Not by drizzle's own
 * migrator, which takes a transaction of its own: functions and tables must change together.
 * @returns how many were applied
 */
async function applyMigrations(tx: Transaction, applied: number): Promise<number> {
  await tx.execute(sql`CREATE SCHEMA IF NOT EXISTS drizzle`)
  await tx.execute(
    sql`CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
  )
  const missing = readMigrationFiles({ migrationsFolder }).filter((file) => file.folderMillis > applied)
  for (const file of missing) {
    for (const statement of file.sql) await tx.execute(sql.raw(statement))
    await tx.execute(
      sql`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (${file.hash}, ${file.folderMillis})`,
    )
  }
  return missing.length
}

/**
 * What every process asks before it serves.
 * @throws SchemaVersionError when the schema is not exactly this code's, saying what to do
 */
export async function assertMigrated(db: Database): Promise<void> {
  const applied = await appliedVersion(db)
  assertNotNewer(applied)
  if (applied < knownVersion() || (await appliedFunctions(db)) !== readSqlFunctions().hash) {
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
