import { byBarField } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { packBars } from '../prices/bars.js'
import { isoInstant } from '../database/instant.js'
import { storageAdvice, STORAGE_CLASSES } from '../database/storage-trouble.js'
import type { StorageTrouble } from '../database/storage-trouble.js'
import { upsertBars } from '../prices/upsert.js'

/** How long a trouble is shown after a worker noted it last. reserve_provider_request heeds it for 15 s. */
const SHOWN_MS = 30_000

/**
 * Notes for all workers that rows cannot be stored. For 15 s no slot is reserved then: to be called again before they pass.
 * @param forMs how long rows could not be stored, in milliseconds
 * @throws when nothing can be written at all; no slot can be reserved then either
 */
export async function noteStorageTrouble(
  db: Database,
  trouble: StorageTrouble,
  forMs: number,
): Promise<void> {
  await db.execute(sql`
    UPDATE provider_state
       SET storage_failed_since = least(clock_timestamp() - ${forMs} * interval '1 ms', CASE WHEN ${isShown} THEN storage_failed_since END),
           storage_failed_at = clock_timestamp(), storage_class = ${trouble.class}, storage_detail = ${trouble.detail}`)
}

/** Notes for all workers that rows can be stored again. */
export async function clearStorageTrouble(db: Database): Promise<void> {
  await db.execute(sql`
    UPDATE provider_state
       SET storage_failed_since = NULL, storage_failed_at = NULL, storage_class = NULL, storage_detail = NULL
     WHERE storage_failed_at IS NOT NULL`)
}

/** SQL: whether a noted trouble is recent enough to be shown. */
const isShown = sql`(storage_failed_at > clock_timestamp() - ${SHOWN_MS} * interval '1 ms')`

/** Why rows cannot be stored at the moment. */
export interface StorageState extends StorageTrouble {
  /** ISO 8601, UTC; null when no worker noted the trouble, as in a read-only database. */
  since: string | null
  /** What a person should do. */
  advice: string
}

/** Reads why rows cannot be stored, as noted by workers or told by the server; null when they can be. */
export async function readStorageState(db: Database): Promise<StorageState | null> {
  const [row] = await db.execute<
    ServerMode & { since: string | null; class: string | null; detail: string | null }
  >(sql`
    SELECT ${serverMode}, CASE WHEN ${isShown} THEN ${isoInstant(sql`storage_failed_since`)} END AS since,
           CASE WHEN ${isShown} THEN storage_class END AS class, storage_detail AS detail
      FROM provider_state`)
  if (row === undefined) throw new Error('provider_state has no row: its migration inserts it')
  const readOnly = readOnlyDetail(row)
  if (readOnly !== null)
    return { class: 'read_only', detail: readOnly, since: row.since, advice: storageAdvice('read_only') }
  const noted = STORAGE_CLASSES.find((one) => one === row.class)
  if (noted === undefined) return null
  return { class: noted, detail: row.detail ?? '', since: row.since, advice: storageAdvice(noted) }
}

/** A row type of `db.execute`, hence a type and no interface. */
type ServerMode = { recovering: boolean; readOnly: boolean; server: string }

/** SQL: default_transaction_read_only, since transaction_read_only is also on in Stockpile's own transactions that only read. */
const serverMode = sql`
  pg_is_in_recovery() AS recovering, current_setting('default_transaction_read_only') = 'on' AS "readOnly",
  current_database() || coalesce(' at ' || host(inet_server_addr()) || ':' || inet_server_port(), '') AS server`

/** A sentence that says why the server takes no writes; null when it takes them. */
function readOnlyDetail({ recovering, readOnly, server }: ServerMode): string | null {
  if (recovering) return `PostgreSQL takes no writes: ${server} is a standby, or recovers.`
  return readOnly ? `PostgreSQL takes no writes: default_transaction_read_only is on for ${server}.` : null
}

/** Adds to a trouble what the server can say at the moment: which server is read-only, or which process holds the lock. */
export async function explainTrouble(db: Database, trouble: StorageTrouble): Promise<StorageTrouble> {
  if (trouble.class === 'read_only') {
    const [mode] = await db.execute<ServerMode>(sql`SELECT ${serverMode}`)
    return { ...trouble, detail: (mode && readOnlyDetail(mode)) ?? trouble.detail }
  }
  if (trouble.class !== 'locked') return trouble
  const [holder] = await db.execute<{ holder: string }>(lockHolder)
  return holder === undefined
    ? trouble
    : { ...trouble, detail: `Rows cannot be stored: ${holder.holder} holds a lock on them.` }
}

/**
 * SQL: the process whose lock most probably keeps rows from being stored: one that locks a whole table first, then one
 * of another program whose transaction wrote or locked rows, the oldest first. PostgreSQL tells since when to members of the process's role alone.
 */
const lockHolder = sql`
  SELECT format('process %s (%s)', pid, concat_ws(', ', nullif(application_name, ''), 'user ' || usename,
           'since ' || ${isoInstant(sql`xact_start`)})) AS holder
    FROM (
      SELECT pid, min(array_position('{AccessExclusiveLock,ExclusiveLock,ShareRowExclusiveLock,ShareLock,RowExclusiveLock,RowShareLock}', mode)) AS strength
        FROM pg_locks
       WHERE granted AND locktype = 'relation' AND pid <> pg_backend_pid()
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND relation = ANY (ARRAY['financial_data', 'symbols', 'symbol_days', 'price_revisions', 'rejected_rows', 'item_rejected_rows', 'ingest_items']::regclass[])
       GROUP BY pid
    ) AS locks
    JOIN pg_stat_activity USING (pid)
   WHERE strength < 5 OR (strength <= 6 AND application_name <> current_setting('application_name'))
   ORDER BY strength, xact_start
   LIMIT 1`

const TRY_TIMEOUT_MS = 5_000

/** Rolls the transaction of a try back. */
class RolledBackError extends Error {
  override readonly name = 'RolledBackError'
}

/**
 * Tries whether any row can be stored: writes a row of a made-up symbol as a fetch would, and rolls it back.
 * @throws what keeps the row from being written, within some 5 s
 */
export async function tryToStore(db: Database): Promise<void> {
  const bar = { date: '2000-01-03', ...byBarField(() => '1') }
  // A symbol of its own, so that concurrent tries do not wait for each other. Nobody ever sees the symbol.
  const symbol = `TRY ${Math.random().toString(36).slice(2).toUpperCase()}`
  try {
    await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT set_config('statement_timeout', ${String(TRY_TIMEOUT_MS)}, true)`)
      await upsertBars(tx, symbol, packBars([bar]))
      throw new RolledBackError()
    })
  } catch (error) {
    if (!(error instanceof RolledBackError)) throw error
  }
}
