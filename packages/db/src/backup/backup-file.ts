import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import * as z from 'zod'
import { SentenceError } from '../database/error-sentence.js'

/** The file is no whole backup of Stockpile, or not of this version; the message says what to do. */
export class BackupFileError extends SentenceError {
  override readonly name = 'BackupFileError'
}

/**
 * A backup is lines of text, compressed by gzip. The first is a header; then each table has a line that names it and its
 * columns, its rows as PostgreSQL's COPY writes them, and a line `\.`; the last line has sequences and a checksum.
 */
export const FORMAT = 'stockpile-backup'
export const FORMAT_VERSION = 1
/** COPY escapes every backslash, so no row is this line. */
export const END_OF_DATA = String.raw`\.`

const headerSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  createdAt: z.iso.datetime(),
  /** Whether the prices are the simulator's. */
  simulated: z.boolean(),
  /** The schema: its migrations in their order, with the hashes of their texts. */
  migrations: z.array(z.object({ tag: z.string(), hash: z.string() })),
})
const tableSchema = z.object({ table: z.string(), columns: z.array(z.string()) })
const endSchema = z.object({
  sequences: z.array(z.object({ name: z.string(), lastValue: z.string(), isCalled: z.boolean() })),
  rows: z.number(),
  /** SHA-256 of the uncompressed text before this line. */
  sha256: z.string(),
})

export type BackupHeader = z.infer<typeof headerSchema>
type BackupTable = z.infer<typeof tableSchema>
export type BackupEnd = z.infer<typeof endSchema>

export interface BackupReader {
  header: BackupHeader
  /** Each table with its rows as chunks of whole lines; rows that the caller does not read are passed over. */
  tables: () => AsyncGenerator<{ table: BackupTable; data: AsyncGenerator<Buffer> }>
  /** The last line; available once all tables were read. */
  end: () => BackupEnd
  /** Closes the file, for a caller that does not read to the end. */
  close: () => void
}

/**
 * Reads a backup from its beginning, in constant memory.
 * @throws BackupFileError, here or while tables are read, as soon as the file is not what a backup is
 */
export async function readBackup(path: string): Promise<BackupReader> {
  const file = createReadStream(path)
  const text = createGunzip()
  file.on('error', (error) => text.destroy(error))
  const lines = new Lines(file.pipe(text), path)
  const header = parseLine(headerSchema, await lines.next(), path)
  let end: BackupEnd | undefined
  return {
    header,
    async *tables() {
      for (;;) {
        const digest = lines.digest()
        const line = await lines.next()
        if (line !== undefined && tableSchema.safeParse(json(line)).success) {
          const data = lines.data()
          yield { table: parseLine(tableSchema, line, path), data }
          for (let rest = await data.next(); rest.done !== true;) rest = await data.next()
          continue
        }
        end = parseLine(endSchema, line, path)
        if (end.sha256 !== digest || end.rows !== lines.rows || (await lines.next()) !== undefined)
          throw damaged(path)
        return
      }
    },
    end() {
      if (end === undefined) throw damaged(path)
      return end
    },
    close() {
      file.destroy()
      text.destroy()
    },
  }
}

/** Cuts a stream into lines, and counts and hashes the lines that it has given. */
class Lines {
  rows = 0
  readonly #chunks: AsyncIterator<Buffer>
  readonly #path: string
  readonly #hash = createHash('sha256')
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: AsyncIterable<Buffer>, path: string) {
    this.#chunks = stream[Symbol.asyncIterator]()
    this.#path = path
  }

  /** SHA-256 of the text that was given so far. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /** The next line; undefined at the end of the file. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const at = this.#rest.indexOf(NEWLINE)
      if (at !== -1)
        return this.#take(at + 1)
          .toString('utf8')
          .trimEnd()
      if (!(await this.#more())) {
        if (this.#rest.length > 0) throw damaged(this.#path)
        return undefined
      }
    }
  }

  /** The whole lines of a table's rows, up to the line that ends the table, which is read too. */
  async *data(): AsyncGenerator<Buffer> {
    for (;;) {
      const isEnd = this.#rest.subarray(0, END_LINE.length).equals(END_LINE)
      const at = isEnd ? -1 : this.#rest.indexOf(`\n${END_LINE.toString()}`)
      // The bytes behind the last newline may be the beginning of the line that ends the table.
      const whole = isEnd ? 0 : at === -1 ? this.#rest.lastIndexOf(NEWLINE) + 1 : at + 1
      if (whole > 0 && (at !== -1 || this.#rest.length >= BATCH)) {
        const lines = this.#take(whole)
        for (const byte of lines) if (byte === NEWLINE) this.rows += 1
        yield lines
      }
      if (isEnd || at !== -1) {
        this.#take(END_LINE.length)
        return
      }
      if (!(await this.#more())) throw damaged(this.#path)
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#rest.subarray(0, bytes)
    this.#hash.update(taken)
    this.#rest = this.#rest.subarray(bytes)
    return taken
  }

  async #more(): Promise<boolean> {
    try {
      const next = await this.#chunks.next()
      if (next.done === true) return false
      this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value])
      return true
    } catch (error) {
      throw isSystemError(error) ? error : damaged(this.#path, error)
    }
  }
}

const NEWLINE = 0x0a
const END_LINE = Buffer.from(`${END_OF_DATA}\n`)
const BATCH = 64 * 1024

function parseLine<Schema extends z.ZodType>(
  schema: Schema,
  line: string | undefined,
  path: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(json(line))
  if (!parsed.success) throw damaged(path, parsed.error)
  return parsed.data
}

function json(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '')
  } catch {
    return undefined
  }
}

function damaged(path: string, cause?: unknown): BackupFileError {
  return new BackupFileError(
    `${path} is no whole backup of Stockpile: it was cut off, changed, or is something else. Nothing was restored.`,
    {
      cause,
    },
  )
}

/** Whether the disk failed, not the decompression. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
