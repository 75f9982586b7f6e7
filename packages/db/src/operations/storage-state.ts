import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'
import { packBars } from '../prices/bars.js'
import { isoInstant } from '../database/instant.js'
import { storageAdvice, STORAGE_CLASSES } from '../database/storage-trouble.js'
import type { StorageClass, StorageTrouble } from '../database/storage-trouble.js'
import { upsertBars } from '../prices/upsert.js'

/** Without a word of those who noted it, a mark is believed for so long; reserve_provider_request waits for 15 s. */
const MARK_SHOWN_MS = 30_000

/**
 * Notes for all that what was fetched cannot be stored. It holds for 15 s (nothing is asked for meanwhile): repeat it.
 * @param forMs how long that has been so
 * @throws where nothing at all can be written; nothing can be asked for then either
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

/** Rows can be stored again. */
export async function clearStorageTrouble(db: Database): Promise<void> {
  await db.execute(sql`
    UPDATE provider_state
       SET storage_failed_since = NULL, storage_failed_at = NULL, storage_class = NULL, storage_detail = NULL
     WHERE storage_failed_at IS NOT NULL`)
}

const isShown = sql`(storage_failed_at > clock_timestamp() - ${MARK_SHOWN_MS} * interval '1 ms')`

export interface StorageState extends StorageTrouble {
  /** ISO 8601, UTC; null when nobody noted it, as where nothing can be written. */
  since: string | null
  /** What a person should do. */
  advice: string
}

/** Why rows cannot be stored at the moment, as far as workers noted it or the server says; null when they can. */
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

/** SQL: not transaction_read_only, which also a transaction of ours that only reads has. */
const serverMode = sql`
  pg_is_in_recovery() AS recovering, current_setting('default_transaction_read_only') = 'on' AS "readOnly",
  current_database() || coalesce(' at ' || host(inet_server_addr()) || ':' || inet_server_port(), '') AS server`

/** Null when the server takes writes. */
function readOnlyDetail({ recovering, readOnly, server }: ServerMode): string | null {
  if (recovering) return `PostgreSQL takes no writes: ${server} is a standby, or recovers.`
  return readOnly ? `PostgreSQL takes no writes: default_transaction_read_only is on for ${server}.` : null
}

/** The same with what the server can say of its cause at the moment: which server it is, who holds the lock. */
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
 * SQL: whoever can hold up who stores rows: a lock on a whole table first, then those that wrote or locked rows and did not end for
 * longer than any transaction of ours. When its transaction began is told to members of its role alone.
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

class TakenBackError extends Error {
  override readonly name = 'TakenBackError'
}

/**
 * Writes a row of a made-up symbol as a fetch would, and takes it back: whether anything can be stored, where the rows of
 * one symbol could not.
 * @throws what keeps it from being written, within some 5 s
 */
export async function tryToStore(db: Database): Promise<void> {
  const price = '1.0000'
  const bar = { date: '2000-01-03', open: price, high: price, low: price, close: price, volume: '1' }
  // Of its own, so that those who try at the same time do not wait for each other. Nobody ever sees it.
  const symbol = `TRY ${Math.random().toString(36).slice(2).toUpperCase()}`
  try {
    await db.transaction(async (tx) => {
      await tx.execute(sql`SELECT set_config('statement_timeout', ${String(TRY_TIMEOUT_MS)}, true)`)
      await upsertBars(tx, symbol, packBars([bar]))
      throw new TakenBackError()
    })
  } catch (error) {
    if (!(error instanceof TakenBackError)) throw error
  }
}

export type { StorageClass, StorageTrouble }
