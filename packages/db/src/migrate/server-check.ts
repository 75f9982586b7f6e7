import { randomUUID } from 'node:crypto'
import type { Pool } from '../database/connection.js'
import { SentenceError } from '../database/error-sentence.js'
import { SESSION_SETTINGS } from '../database/session-settings.js'

/** Stockpile cannot work with the server, the database, or a pooler before them; the message says what to do. */
class UnfitServerError extends SentenceError {
  override readonly name = 'UnfitServerError'
}

/** PostgreSQL 18, for uuidv7() and for skip scans of the covering index. */
const MINIMUM_SERVER = 180_000
const DIRECT = 'give DATABASE_URL a direct connection to PostgreSQL, as docs/decisions/poolers.md says'

/**
 * Checks, before a program's first statement, that the server, the database and a pooler before them are fit.
 * @param db with two connections or more
 * @throws UnfitServerError for a PostgreSQL older than 18, a database that is not UTF8 or has the tables in another schema,
 *   or a pooler that gives a session's transactions to several, or drops its settings
 */
export async function assertFitServer(db: Pool): Promise<void> {
  const settings = Object.entries(SESSION_SETTINGS)
  // The statement has no parameters, since a pooler may not support prepared statements.
  const rows = await db.$client.unsafe<
    {
      version: number
      text: string
      encoding: string
      database: string
      pid: number
      settings: string
      elsewhere: string | null
    }[]
  >(`
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS text,
           current_setting('server_encoding') AS encoding, current_database() AS database, pg_backend_pid() AS pid,
           jsonb_build_array(${settings.map(([name]) => `current_setting('${name}', true)`).join(', ')})::text AS settings,
           CASE WHEN to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AND to_regclass('public.financial_data') IS NULL
             THEN (SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'financial_data' AND relkind = 'r' LIMIT 1)
           END AS elsewhere`)
  const [row] = rows
  if (row === undefined) throw new Error('assertFitServer: no row')
  if (row.version < MINIMUM_SERVER)
    throw new UnfitServerError(`Stockpile needs PostgreSQL 18; the server is ${row.text}.`)
  if (row.encoding !== 'UTF8') {
    throw new UnfitServerError(
      `The database ${row.database} has the encoding ${row.encoding}, and Stockpile needs UTF8: make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.`,
    )
  }
  // An earlier version made the tables in the first schema of a search path that somebody had set.
  if (row.elsewhere !== null) {
    throw new UnfitServerError(
      `The tables of Stockpile are in the schema ${row.elsewhere} of the database ${row.database}, and it looks for them in public: drop an empty public and give that one its name (ALTER SCHEMA ${row.elsewhere} RENAME TO public).`,
    )
  }
  // The greeting of PostgreSQL names the process that serves the session; the greeting of a pooler names something else.
  if (rows.state.pid === row.pid) return
  const inForce: unknown = JSON.parse(row.settings)
  const lost = settings.filter(([, value], index) => !Array.isArray(inForce) || inForce[index] !== value)
  if (lost.length > 0) {
    const names = lost.map(([name]) => name).join(', ')
    throw new UnfitServerError(
      `Before PostgreSQL is a connection pooler that drops what a session needs (${names}): ${DIRECT}.`,
    )
  }
  if (await isShared(db)) {
    throw new UnfitServerError(
      `Before PostgreSQL is a connection pooler in transaction mode, where locks, settings and notifications of a session are lost: ${DIRECT}.`,
    )
  }
}

/** Whether a setting of one session is seen by another session, or lost in its own: the sessions then share connections. */
async function isShared(db: Pool): Promise<boolean> {
  const mark = randomUUID()
  const [one, other] = await Promise.all([db.$client.reserve(), db.$client.reserve()])
  try {
    await one.unsafe(`SET stockpile.session = '${mark}'`)
    const seen = `SELECT current_setting('stockpile.session', true) AS mark`
    const [elsewhere] = await other.unsafe<{ mark: string | null }[]>(seen)
    const [here] = await one.unsafe<{ mark: string | null }[]>(seen)
    await one.unsafe('RESET stockpile.session')
    return elsewhere?.mark === mark || here?.mark !== mark
  } finally {
    one.release()
    other.release()
  }
}
