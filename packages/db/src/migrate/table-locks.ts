import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { expectedCatalog } from './catalog.js'
import type { Database, Transaction } from '../database/connection.js'
import { deepestCause, SentenceError } from '../database/error-sentence.js'

/** Less than the second after which PostgreSQL looks for a deadlock, and ends a statement for it. */
const TRY_MS = 500
/** More than the second after which PostgreSQL ends an autovacuum that is in the way. */
const AUTOVACUUM_MS = 5_000
/** Between two tries, so that statements which waited behind the first go on. */
const PAUSE_MS = 200
/** A backup or an open transaction may hold a table for longer: a person then has to decide. */
const PATIENCE_MS = 60_000
const CONFLICTS = new Set(['57014', '40P01'])

/** Other programs kept the tables in use for as long as there was patience; the message says what to do. */
export class TablesBusyError extends SentenceError {
  override readonly name = 'TablesBusyError'
}

/**
 * Takes all tables of Stockpile for this transaction, or fails within half a second. Programs of the version before may be
 * working: they take the same tables in another order, and PostgreSQL ends a transaction that waits in a circle for a second.
 * @param statements that this transaction will run: the tables that they drop are taken too
 */
export async function takeTables(tx: Transaction, statements: readonly string[] = []): Promise<void> {
  const kept = expectedCatalog().flatMap((line) => line.match(/^table (public\.\w+)/)?.[1] ?? [])
  const dropped = statements.flatMap((statement) => /^DROP TABLE "(\w+)"/m.exec(statement)?.[1] ?? [])
  const names = [...kept, ...dropped.map((table) => `public.${table}`)]
  const [known] = await tx.execute<{ tables: string[] }>(sql`
    SELECT coalesce(json_agg(name), '[]') AS tables FROM json_array_elements_text(${JSON.stringify(names)}::text::json) AS name
     WHERE to_regclass(name) IS NOT NULL`)
  if (known === undefined || known.tables.length === 0) return
  await lockTables(tx, known.tables, 'ACCESS EXCLUSIVE')
}

/**
 * Locks tables for this transaction, or fails within half a second, since writers wait behind a lock that is waited for.
 * Before, it waits in a mode that stops no writer until an autovacuum of the tables gives way.
 */
export async function lockTables(
  tx: Transaction,
  tables: readonly string[],
  mode: 'EXCLUSIVE' | 'ACCESS EXCLUSIVE',
): Promise<void> {
  const within = (ms: number) => tx.execute(sql`SELECT set_config('statement_timeout', ${String(ms)}, true)`)
  const lock = (as: string) => tx.execute(sql.raw(`LOCK TABLE ${tables.join(', ')} IN ${as} MODE`))
  await within(AUTOVACUUM_MS)
  await lock('SHARE UPDATE EXCLUSIVE')
  await within(TRY_MS)
  await lock(mode)
  await within(0)
}

/**
 * Runs a transaction that locks tables, again and again until no other transaction holds them.
 * @throws TablesBusyError when others hold them for `patienceMs`, a minute by default
 */
export async function whenTablesAreFree<T>(
  db: Database,
  work: (tx: Transaction) => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const endsAt = performance.now() + patienceMs
  for (;;) {
    try {
      return await db.transaction(work)
    } catch (error) {
      const cause = deepestCause(error)
      if (cause === undefined || !('code' in cause) || !CONFLICTS.has(String(cause.code))) throw error
      if (performance.now() > endsAt) {
        throw new TablesBusyError(
          `Other programs kept Stockpile's tables in use for ${patienceMs / 1_000} s, and what takes them was not done: end what runs long on this database (a backup, an export, an open transaction; pg_stat_activity lists them) and try again.`,
          { cause: error },
        )
      }
    }
    await sleep(PAUSE_MS)
  }
}
