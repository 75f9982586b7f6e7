import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type postgres from 'postgres'
import { assertMigrated } from '../migrate/migrate.js'
import { readMigrations } from '../migrate/migrations.js'
import {
  type BackupEnd,
  BackupFileError,
  type BackupHeader,
  END_OF_DATA,
  FORMAT,
  FORMAT_VERSION,
} from './backup-file.js'
import { interruptible, NEVER, openForBackup } from './connection.js'
import { createPartialFile } from './partial-file.js'
import { sequencesOf, tablesOf } from './tables.js'

const BATCH_BYTES = 64 * 1024

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
