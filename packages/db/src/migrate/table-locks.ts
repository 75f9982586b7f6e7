import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { expectedCatalog } from './catalog.js'
import type { Database, Transaction } from '../database/connection.js'
import { deepestCause, SentenceError } from '../database/error-sentence.js'

/** Less than PostgreSQL waits before it looks for a deadlock (1 s) and ends somebody's statement for it. */
const TRY_MS = 500
/** More than that second: then PostgreSQL ends an autovacuum that is in the way. */
const AUTOVACUUM_MS = 5_000
/** Then what waits behind the next try goes on. */
const PAUSE_MS = 200
/** An export or a backup may hold a table for longer: then somebody has to decide. */
const PATIENCE_MS = 60_000
const CONFLICTS = new Set(['57014', '40P01'])

/** Others kept tables in use. */
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
 * Locks tables for this transaction, or fails soon: whoever writes them waits behind a lock that is waited for. Before that,
 * in a mode that no writer waits behind, for an autovacuum of them to give way.
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
 * Runs a transaction that takes tables, again and again until nobody has them.
 * @throws TablesBusyError when others keep them for a minute
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
