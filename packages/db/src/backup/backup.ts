import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type postgres from 'postgres'
import {
  type BackupEnd,
  BackupFileError,
  type BackupHeader,
  END_OF_DATA,
  FORMAT,
  FORMAT_VERSION,
  readBackup,
} from './backup-file.js'
import { type Connection, connect } from '../database/connection.js'
import { recount } from '../migrate/derived-data.js'
import { SentenceError } from '../database/error-sentence.js'
import { assertMigrated, migrate } from '../migrate/migrate.js'
import { readMigrations } from '../migrate/migrations.js'
import { createPartialFile } from './partial-file.js'

const BATCH_BYTES = 64 * 1024
const NEVER = new AbortController().signal
/** Tables in which an unused database has rows: migrations insert some, and idle workers insert others. */
export const FILLED_FROM_THE_START = ['provider_state', 'refusal_classes', 'workers']

/** The database cannot be backed up or restored into; the message says what to do. */
export class BackupError extends SentenceError {
  override readonly name = 'BackupError'
}

/** How much a backup holds, or a restore restored. */
export interface BackedUp {
  tables: number
  rows: number
}

/**
 * Writes all tables and sequences of the database, as they are at one moment, into a new file. Programs that work meanwhile
 * go on.
 * @param options.simulated whether the prices are the simulator's
 * @param options.signal ends the work at once and leaves no file
 * @throws BackupFileError for a file that exists; SchemaVersionError for a database of another version; the signal's reason
 */
export async function backUp(
  databaseUrl: string,
  path: string,
  { simulated, signal = NEVER }: { simulated: boolean; signal?: AbortSignal },
): Promise<BackedUp> {
  signal.throwIfAborted()
  if (
    await stat(path).then(
      () => true,
      () => false,
    )
  )
    throw new BackupFileError(`${path} exists already: name a new file.`)
  const connection = openForBackup(databaseUrl)
  try {
    await assertMigrated(connection.db)
    const partial = await createPartialFile(path)
    try {
      const counted = { tables: 0, rows: 0 }
      // One snapshot for all tables, which stops no writer.
      await interruptible(connection, signal, 'ISOLATION LEVEL REPEATABLE READ READ ONLY', (sql) =>
        pipeline(
          Readable.from(backupText(sql, simulated, counted)),
          createGzip(),
          partial.createWriteStream(),
        ),
      )
      await partial.complete()
      return counted
    } catch (error) {
      await partial.discard()
      throw error
    }
  } finally {
    await connection.close()
  }
}

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

/**
 * Runs a transaction whose connection the signal, or the first failure, ends: a rollback would first wait for the rest of a
 * COPY, which is not read any more.
 */
async function interruptible<T>(
  { db }: Connection,
  signal: AbortSignal,
  options: string,
  work: (sql: postgres.TransactionSql) => Promise<T>,
): Promise<T> {
  let failure: { error: unknown } | undefined
  const cut = () => void db.$client.end({ timeout: 0 })
  signal.throwIfAborted()
  signal.addEventListener('abort', cut)
  try {
    const begun = db.$client.begin(options, async (sql) => {
      try {
        return { result: await work(sql) }
      } catch (error) {
        failure = { error }
        cut()
        throw error
      }
    })
    return (await begun).result
  } catch (error) {
    signal.throwIfAborted()
    throw failure === undefined ? error : failure.error
  } finally {
    signal.removeEventListener('abort', cut)
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

function openForBackup(databaseUrl: string): Connection {
  return connect({
    databaseUrl,
    applicationName: 'stockpile-backup',
    maxConnections: 1,
    statementTimeoutMs: 0,
  })
}

interface Table {
  name: string
  columns: string[]
}

/** Lists all tables, each behind the tables that its foreign keys refer to; from the catalog, so that none is forgotten. */
async function tablesOf(sql: postgres.TransactionSql): Promise<Table[]> {
  const rows = await sql<{ name: string; columns: string[]; refersTo: string[] }[]>`
    SELECT relname AS name,
           (SELECT json_agg(attname ORDER BY attnum) FROM pg_attribute
             WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
           (SELECT coalesce(json_agg(DISTINCT referred.relname), '[]')
              FROM pg_constraint JOIN pg_class AS referred ON referred.oid = confrelid
             WHERE conrelid = relation.oid AND contype = 'f' AND confrelid <> conrelid) AS "refersTo"
      FROM pg_class AS relation WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname`
  const ordered: (typeof rows)[number][] = []
  while (ordered.length < rows.length) {
    const placed = new Set(ordered.map(({ name }) => name))
    const next = rows.filter(
      ({ name, refersTo }) => !placed.has(name) && refersTo.every((other) => placed.has(other)),
    )
    if (next.length === 0)
      throw new BackupError('Tables refer to each other in a circle: this is a defect of Stockpile.')
    ordered.push(...next)
  }
  return ordered
}

async function sequencesOf(sql: postgres.TransactionSql): Promise<BackupEnd['sequences']> {
  const names = await sql<{ name: string }[]>`
    SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname`
  const sequences: BackupEnd['sequences'] = []
  for (const { name } of names) {
    const [state] = await sql<{ lastValue: string; isCalled: boolean }[]>`
      SELECT last_value::text AS "lastValue", is_called AS "isCalled" FROM ${sql(name)}`
    if (state !== undefined) sequences.push({ name, ...state })
  }
  return sequences
}

/** The text of a backup in pieces of at least `BATCH_BYTES`: passing on each row by itself would cost more than the row. */
async function* backupText(
  sql: postgres.TransactionSql,
  simulated: boolean,
  counted: BackedUp,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  const hashed = (text: string | Buffer) => {
    const piece = Buffer.from(text)
    hash.update(piece)
    return piece
  }
  const header: BackupHeader = {
    format: FORMAT,
    version: FORMAT_VERSION,
    createdAt: new Date().toISOString(),
    simulated,
    migrations: readMigrations().map(({ tag, hash: text }) => ({ tag, hash: text })),
  }
  yield hashed(`${JSON.stringify(header)}\n`)
  for (const { name, columns } of await tablesOf(sql)) {
    counted.tables += 1
    yield hashed(`${JSON.stringify({ table: name, columns })}\n`)
    const copied = await sql`COPY ${sql(name)} (${sql(columns)}) TO STDOUT`.readable()
    const rows: AsyncIterable<Buffer> = copied
    let batch: Buffer[] = []
    let bytes = 0
    for await (const row of rows) {
      for (const byte of row) if (byte === NEWLINE) counted.rows += 1
      batch.push(row)
      bytes += row.length
      if (bytes < BATCH_BYTES) continue
      yield hashed(Buffer.concat(batch))
      batch = []
      bytes = 0
    }
    // The driver pauses its socket while rows come faster than they are read, and resumes it only when more is asked for.
    // After the last row nothing asks for more, and the next statement would wait for ever.
    // oxlint-disable-next-line no-underscore-dangle -- `read` asks nothing of a stream that has ended.
    copied._read(0)
    yield hashed(Buffer.concat([...batch, Buffer.from(`${END_OF_DATA}\n`)]))
  }
  const end: BackupEnd = { sequences: await sequencesOf(sql), rows: counted.rows, sha256: hash.digest('hex') }
  yield Buffer.from(`${JSON.stringify(end)}\n`)
}

const NEWLINE = 0x0a

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
