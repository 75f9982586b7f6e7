import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

export interface StoredSummary {
  /** Those that have rows. */
  symbols: number
  rows: number
  /** Of some of them, the one that was fetched last first. */
  newest: { symbol: string; rows: number }[]
}

/** How much is stored, exactly, from what is kept of each symbol: no row is counted for it. */
export async function readStored(db: Database, limit: number): Promise<StoredSummary> {
  const [total] = await db.execute<Record<string, unknown> & Omit<StoredSummary, 'newest'>>(sql`
    SELECT coalesce(sum(symbol_count), 0)::float8 AS symbols, coalesce(sum(row_count), 0)::float8 AS rows FROM symbol_prefixes`)
  const newest = await db.execute<{ symbol: string; rows: number }>(sql`
    SELECT symbol, row_count AS rows FROM symbols WHERE row_count > 0
     ORDER BY last_fetched_at DESC NULLS LAST, symbol LIMIT ${limit}`)
  return { symbols: total?.symbols ?? 0, rows: total?.rows ?? 0, newest: [...newest] }
}

export interface Unfinished {
  runs: number
  /** Of them: symbols that have not come in yet. */
  items: number
}

/** The runs that are not finished. */
export async function countUnfinished(db: Database): Promise<Unfinished> {
  const [counted] = await db.execute<Record<string, unknown> & Unfinished>(sql`
    SELECT count(DISTINCT run_id)::int AS runs, count(*)::int AS items
      FROM ingest_items WHERE state IN ('pending', 'running')`)
  return counted ?? { runs: 0, items: 0 }
}
