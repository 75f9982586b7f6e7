import { sql } from 'drizzle-orm'
import type { Database, Transaction } from '../database/connection.js'
import { recountRuns, WRONG_RUNS } from '../runs/run-totals.js'
import { lockTables } from './table-locks.js'

/** The tables that are kept beside the rows and can be counted from them. */
export const DERIVED_DATA = ['symbols', 'symbol_days', 'symbol_prefixes', 'run_totals'] as const
type DerivedData = (typeof DERIVED_DATA)[number]

/** In the order in which writers lock: the symbol's row before the prices. A recount and a writer then never wait for each other. */
const LOCKED = ['symbols', 'financial_data', 'symbol_days', 'symbol_prefixes', 'ingest_items', 'run_totals']

/** The tables whose rows have a version. */
const VERSIONED = ['symbols', 'symbol_prefixes']

/** How many entries of each table differ from what the rows say, and the names of some. */
export type WrongEntries = Record<DerivedData, { entries: number; examples: string[] }>

/** SQL: counts every symbol's rows, in one scan in the order of their index. */
const COUNTED = sql`
  counted AS MATERIALIZED (
    SELECT symbol, count(*)::int AS row_count, min(date) AS first_date, max(date) AS last_date, bits_of_days(array_agg(date)) AS days
      FROM financial_data GROUP BY symbol
  )`

const WRONG_SYMBOLS = sql`
  SELECT symbol, coalesce(counted.row_count, 0) AS row_count, counted.first_date, counted.last_date
    FROM counted FULL JOIN symbols AS kept USING (symbol)
   WHERE (coalesce(counted.row_count, 0), counted.first_date, counted.last_date)
         IS DISTINCT FROM (kept.row_count, kept.first_date, kept.last_date)`

const WRONG_DAYS = sql`
  SELECT symbol, counted.first_date AS first_day, counted.days
    FROM counted FULL JOIN symbol_days AS kept USING (symbol)
   WHERE (counted.first_date, counted.days) IS DISTINCT FROM (kept.first_day, kept.days)`

const WRONG_PREFIXES = sql`
  SELECT prefix, coalesce(summed.symbol_count, 0) AS symbol_count, coalesce(summed.row_count, 0) AS row_count
    FROM (SELECT left(symbol, 2) AS prefix, count(*)::int AS symbol_count, sum(row_count)::bigint AS row_count
            FROM counted GROUP BY 1) AS summed
    FULL JOIN symbol_prefixes AS kept USING (prefix)
   WHERE (coalesce(summed.symbol_count, 0), coalesce(summed.row_count, 0))
         IS DISTINCT FROM (kept.symbol_count, kept.row_count)`

/** Counts all rows and compares, in one statement, so as of one moment; only reads. Takes some 3 s for each million rows. */
export async function findWrongEntries(db: Database): Promise<WrongEntries> {
  const found = await db.execute<{ derived: DerivedData; entries: number; examples: string[] }>(sql`
    WITH ${COUNTED}, wrong AS (
      SELECT 'symbols' AS derived, symbol AS name FROM (${WRONG_SYMBOLS}) AS one
      UNION ALL SELECT 'symbol_days', symbol FROM (${WRONG_DAYS}) AS one
      UNION ALL SELECT 'symbol_prefixes', prefix FROM (${WRONG_PREFIXES}) AS one
      UNION ALL SELECT 'run_totals', run_id::text FROM (${WRONG_RUNS}) AS one
    )
    SELECT derived, count(*)::int AS entries, to_json((array_agg(name ORDER BY name))[1:5]) AS examples FROM wrong GROUP BY derived`)
  const right = { entries: 0, examples: [] }
  return {
    symbols: right,
    symbol_days: right,
    symbol_prefixes: right,
    run_totals: right,
    ...Object.fromEntries(found.map(({ derived, ...wrong }) => [derived, wrong])),
  }
}

/**
 * Counts all rows and corrects the entries that differ; entries that are right are not touched. Writers wait until the
 * transaction ends, readers do not. Belongs into `whenTablesAreFree`, since it fails while others hold the tables.
 * @returns how many entries were corrected
 */
export async function recount(tx: Transaction): Promise<number> {
  await lockTables(tx, LOCKED, 'EXCLUSIVE')
  await tx.execute(sql`SET CONSTRAINTS ALL IMMEDIATE`)
  await tx.execute(sql`ALTER TABLE symbols DISABLE TRIGGER USER`)
  const [corrected] = await tx.execute<{ entries: number }>(sql`
    WITH ${COUNTED}, wrong_days AS (${WRONG_DAYS}), corrected_symbols AS (
      INSERT INTO symbols (symbol, row_count, first_date, last_date) ${WRONG_SYMBOLS}
      ON CONFLICT (symbol) DO UPDATE SET row_count = excluded.row_count, first_date = excluded.first_date,
        last_date = excluded.last_date RETURNING 1
    ), gone_days AS (
      DELETE FROM symbol_days USING wrong_days WHERE symbol_days.symbol = wrong_days.symbol AND wrong_days.days IS NULL RETURNING 1
    ), corrected_days AS (
      INSERT INTO symbol_days (symbol, first_day, days) SELECT symbol, first_day, days FROM wrong_days WHERE days IS NOT NULL
      ON CONFLICT (symbol) DO UPDATE SET first_day = excluded.first_day, days = excluded.days RETURNING 1
    ), corrected_prefixes AS (
      INSERT INTO symbol_prefixes (prefix, symbol_count, row_count) ${WRONG_PREFIXES}
      ON CONFLICT (prefix) DO UPDATE SET symbol_count = excluded.symbol_count, row_count = excluded.row_count RETURNING 1
    )
    SELECT ((SELECT count(*) FROM corrected_symbols) + (SELECT count(*) FROM gone_days) + (SELECT count(*) FROM corrected_days)
            + (SELECT count(*) FROM corrected_prefixes))::int AS entries`)
  // Answers that were given before carry an ETag of the old versions, and must not pass for unchanged.
  if (corrected !== undefined && corrected.entries > 0)
    for (const table of VERSIONED)
      await tx.execute(
        sql`UPDATE ${sql.identifier(table)} SET version = version + (1 + random() * 1e6)::bigint`,
      )
  await tx.execute(sql`ALTER TABLE symbols ENABLE TRIGGER USER`)
  return (corrected?.entries ?? 0) + (await recountRuns(tx))
}
