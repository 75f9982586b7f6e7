import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import * as z from 'zod'
import { SentenceError } from '../database/error-sentence.js'

/** The file is no whole backup of ours, or not of this version; the message says what to do. */
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
  /** The schema, by the text of its migrations in their order. */
  migrations: z.array(z.object({ tag: z.string(), hash: z.string() })),
})
const tableSchema = z.object({ table: z.string(), columns: z.array(z.string()) })
const endSchema = z.object({
  sequences: z.array(z.object({ name: z.string(), lastValue: z.string(), isCalled: z.boolean() })),
  rows: z.number(),
  /** SHA-256 of all that stands before this line, not compressed. */
  sha256: z.string(),
})

export type BackupHeader = z.infer<typeof headerSchema>
type BackupTable = z.infer<typeof tableSchema>
export type BackupEnd = z.infer<typeof endSchema>

export interface BackupReader {
  header: BackupHeader
  /** Each table with its rows as chunks of whole lines; what is not read of them is passed over. */
  tables: () => AsyncGenerator<{ table: BackupTable; data: AsyncGenerator<Buffer> }>
  /** Once all tables were read. */
  end: () => BackupEnd
  /** For who does not read to the end. */
  close: () => void
}

/**
 * Reads a backup from its beginning, in constant memory.
 * @throws BackupFileError as soon as something is not as a backup has it
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

/** Cuts a stream into lines, and counts and digests what it has given. */
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

  /** Of everything up to here. */
  digest(): string {
    return this.#hash.copy().digest('hex')
  }

  /** Undefined at the end of the file. */
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

  /** Whole lines up to the one that ends a table, which is taken too. */
  async *data(): AsyncGenerator<Buffer> {
    for (;;) {
      const isEnd = this.#rest.subarray(0, END_LINE.length).equals(END_LINE)
      const at = isEnd ? -1 : this.#rest.indexOf(`\n${END_LINE.toString()}`)
      // What follows the last newline may be the beginning of the end.
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

/** The disk's, not zlib's. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
