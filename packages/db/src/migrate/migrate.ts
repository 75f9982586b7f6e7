import { sql } from 'drizzle-orm'
import { connect } from '../database/connection.js'
import type { Database, Transaction } from '../database/connection.js'
import { recount } from './derived-data.js'
import { SentenceError } from '../database/error-sentence.js'
import { MIGRATION_LOCK, planMigrations, readMigrations, storedMigrations } from './migrations.js'
import type { Migration, MigrationPlan } from './migrations.js'
import { assertFitServer } from './server-check.js'
import { appliedFunctions, readSqlFunctions, replaceSqlFunctions } from './sql-functions.js'
import { takeTables, whenTablesAreFree } from './table-locks.js'

/** The database's schema is not this code's; the message says what to do. */
export class SchemaVersionError extends SentenceError {
  override readonly name = 'SchemaVersionError'
}

/** What a migration did; all zero, false and empty when the schema was this code's already. */
export interface Migrated {
  /** Numbered migrations that were applied. */
  migrations: number
  /** Whether the functions and triggers were replaced. */
  functions: boolean
  /** Names of the migrations that the database had in an earlier text, and whose differences were made up for. */
  repaired: string[]
  /** How many entries of derived data were corrected. */
  corrected: number
}

/** Says what a migration did, in sentences for the person who started it. */
export function describeMigrated({ migrations, functions, repaired, corrected }: Migrated): string {
  const done = [
    repaired.length > 0 &&
      `Repaired a database of an earlier build: ${repaired.join(', ')} had been changed since it was made.`,
    migrations > 0 && `Applied ${migrations} ${migrations === 1 ? 'migration' : 'migrations'}.`,
    functions && migrations === 0 && 'Replaced the functions and triggers.',
    corrected > 0 && `Corrected ${corrected} totals that were not what the rows say.`,
  ].filter((sentence) => sentence !== false)
  return done.length === 0 ? 'The database schema is up to date.' : done.join(' ')
}

/**
 * Brings the database to this code's schema in one transaction: applies the numbered migrations that it lacks, makes up for
 * migrations that it has in an earlier text, then replaces functions and triggers. Any number may run at once: each waits for
 * the advisory lock, and finds the work done.
 * @throws TablesBusyError when others keep the tables in use for a minute
 * @throws SchemaVersionError when the database is newer than this code or of another history, and UnfitServerError
 */
export async function migrate(databaseUrl: string): Promise<Migrated> {
  // No statement timeout, since an index may take its time.
  const options = { databaseUrl, applicationName: 'stockpile-migrate', statementTimeoutMs: 0 }
  const checked = connect({ ...options, maxConnections: 2 })
  try {
    await assertFitServer(checked.db)
  } finally {
    await checked.close()
  }
  // One connection, since the lock is the session's.
  const { db, close } = connect({ ...options, maxConnections: 1 })
  try {
    await db.execute(sql`SELECT pg_advisory_lock(${MIGRATION_LOCK}::bigint)`)
    return await whenTablesAreFree(db, bringToSchema)
  } finally {
    await close()
  }
}

async function bringToSchema(tx: Transaction): Promise<Migrated> {
  const migrations = readMigrations()
  const stored = await storedMigrations(tx)
  const plan = planMigrations(migrations, stored)
  assertKnown(plan)
  // Builds that noted no hash of functions had triggers that miscounted, or lost triggers when a migration was rewritten.
  const noted = await appliedFunctions(tx)
  const mayBeMiscounted = stored.length > 0 && (plan.rewritten.length > 0 || noted === null)
  const isCurrent =
    plan.statements.length === 0 && plan.rewritten.length === 0 && noted === readSqlFunctions().hash
  if (!isCurrent) await takeTables(tx, plan.statements)
  for (const statement of plan.statements) await tx.execute(sql.raw(statement))
  await noteMigrations(tx, migrations, plan)
  const functions = await replaceSqlFunctions(tx)
  return {
    migrations: plan.missing.length,
    functions,
    repaired: plan.rewritten.map(({ tag }) => tag),
    corrected: mayBeMiscounted ? await recount(tx) : 0,
  }
}

/**
 * Notes the migrations that the database now has, in drizzle's own table: those that were missing, or all anew when an
 * earlier text was noted. drizzle's migrator is not used, since it takes a transaction of its own, and functions and tables
 * must change together.
 */
async function noteMigrations(
  tx: Transaction,
  migrations: Migration[],
  { missing, rewritten }: MigrationPlan,
): Promise<void> {
  await tx.execute(sql`CREATE SCHEMA IF NOT EXISTS drizzle`)
  await tx.execute(
    sql`CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at bigint)`,
  )
  const isAnew = rewritten.length > 0
  if (isAnew) await tx.execute(sql`DELETE FROM drizzle.__drizzle_migrations`)
  for (const { hash, when } of isAnew ? migrations : missing)
    await tx.execute(
      sql`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (${hash}, ${when})`,
    )
}

/**
 * Checks, before a program serves, that the database's schema is exactly this code's.
 * @throws SchemaVersionError when it is not
 */
export async function assertMigrated(db: Database): Promise<void> {
  const plan = planMigrations(readMigrations(), await storedMigrations(db))
  assertKnown(plan)
  if (plan.missing.length > 0 || (await appliedFunctions(db)) !== readSqlFunctions().hash) {
    throw new SchemaVersionError(
      'The database schema is older than this version of Stockpile: run its migrations first (npm start and docker compose do).',
    )
  }
  if (plan.rewritten.length > 0) {
    throw new SchemaVersionError(
      'The database was made by an early build, whose migrations were changed afterwards: run the migrations of this version, which repair it (npm start and docker compose do).',
    )
  }
}

function assertKnown({ unknown, newer }: MigrationPlan): void {
  if (newer.length > 0) {
    throw new SchemaVersionError(
      'The database schema is newer than this version of Stockpile: run the newer version, or restore a backup made before the upgrade.',
    )
  }
  if (unknown.length > 0) {
    const texts = unknown.map(
      ({ hash, when }) => `${hash.slice(0, 12)} of ${new Date(when).toISOString().slice(0, 10)}`,
    )
    throw new SchemaVersionError(
      `The database has migrations that no version of Stockpile up to this one has (${texts.join(', ')}): it was made by a build of another history. Nothing was changed. Run the build that made it, or use another database.`,
    )
  }
}
