import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type postgres from 'postgres'
import { recount } from '../migrate/derived-data.js'
import { migrate } from '../migrate/migrate.js'
import { readMigrations } from '../migrate/migrations.js'
import type { BackedUp } from './backup.js'
import { BackupFileError, type BackupHeader, readBackup } from './backup-file.js'
import { interruptible, NEVER, openForBackup } from './connection.js'
import { BackupError, tablesOf } from './tables.js'

/** Tables in which an unused database has rows: migrations insert some, and idle workers insert others. */
export const FILLED_FROM_THE_START = ['provider_state', 'refusal_classes', 'workers']

/**
 * Restores a backup of this version's schema into a database that is not used yet, which is migrated first; all rows in one
 * transaction.
 * @param options.signal ends the work at once, and nothing is restored; without effect once the rows are committed
 * @throws BackupFileError, before anything is changed, for a file that is damaged or of another version; BackupError for a
 * database that has rows
 */
export async function restore(
  databaseUrl: string,
  path: string,
  { signal = NEVER }: { signal?: AbortSignal } = {},
): Promise<BackedUp> {
  await readThrough(path)
  signal.throwIfAborted()
  await migrate(databaseUrl)
  const connection = openForBackup(databaseUrl)
  try {
    const restored = await interruptible(connection, signal, '', (sql) => restoreInto(sql, path))
    // Derived data was restored too, with the errors of a database that had miscounted.
    await connection.db.transaction(recount)
    return restored
  } finally {
    await connection.close()
  }
}

/** Reads a backup's header. @throws BackupFileError for a file of another version */
export async function readBackupHeader(path: string): Promise<BackupHeader> {
  const { header, close } = await readBackup(path)
  close()
  const known = readMigrations()
  const isSame = (index: number) => known[index]?.hash === header.migrations[index]?.hash
  const shared = header.migrations.filter((_, index) => isSame(index)).length
  if (shared < header.migrations.length) {
    throw new BackupFileError(
      `${path} was made by another version of Stockpile, newer than this one: restore it with that one.`,
    )
  }
  if (shared < known.length) {
    const last = header.migrations.at(-1)?.tag ?? 'no migration'
    throw new BackupFileError(
      `${path} was made by an older version of Stockpile (its schema is ${last}): restore it with that version, then start this one, which brings it up to date.`,
    )
  }
  return header
}

/** Reads the whole file, so that an error in it is found before anything is changed. */
async function readThrough(path: string): Promise<void> {
  await readBackupHeader(path)
  const tables = (await readBackup(path)).tables()
  for (let next = await tables.next(); next.done !== true;) next = await tables.next()
}

async function restoreInto(sql: postgres.TransactionSql, path: string): Promise<BackedUp> {
  const tables = await tablesOf(sql)
  const restored = { tables: 0, rows: 0 }
  for (const { name } of tables) await sql`LOCK TABLE ${sql(name)} IN ACCESS EXCLUSIVE MODE`
  for (const { name } of tables) await assertUnused(sql, name)
  await sql`TRUNCATE ${sql(tables.map(({ name }) => name))}`
  // The backup has the derived data that triggers would count.
  for (const { name } of tables) await sql`ALTER TABLE ${sql(name)} DISABLE TRIGGER USER`
  const reader = await readBackup(path)
  for await (const { table, data } of reader.tables()) {
    const into: Writable = await sql`COPY ${sql(table.table)} (${sql(table.columns)}) FROM STDIN`.writable()
    await pipeline(Readable.from(data), into)
    restored.tables += 1
  }
  const { sequences, rows } = reader.end()
  restored.rows = rows
  for (const { name, lastValue, isCalled } of sequences) {
    await sql`SELECT setval(${`public.${name}`}::regclass, ${lastValue}::bigint, ${isCalled})`
  }
  for (const { name } of tables) await sql`ALTER TABLE ${sql(name)} ENABLE TRIGGER USER`
  return restored
}

async function assertUnused(sql: postgres.TransactionSql, name: string): Promise<void> {
  if (FILLED_FROM_THE_START.includes(name)) return
  const [row] = await sql<{ used: boolean }[]>`SELECT EXISTS (SELECT FROM ${sql(name)}) AS used`
  if (row?.used === true) {
    throw new BackupError(
      `The database has rows already (in ${name}), and a backup is restored into an empty one alone: nothing was changed. Name another database, or with npm start another STOCKPILE_HOME.`,
    )
  }
}
