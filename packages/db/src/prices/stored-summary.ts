import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** How much is stored. */
export interface StoredSummary {
  /** How many symbols have rows. */
  symbols: number
  rows: number
  /** Some symbols that have rows, the one that was fetched last first. */
  newest: { symbol: string; rows: number }[]
}

/**
 * Reads how much is stored, exactly, from the totals that are kept for each symbol: no row is counted.
 * @param limit how many symbols are named
 */
export async function readStored(db: Database, limit: number): Promise<StoredSummary> {
  const [total] = await db.execute<Record<string, unknown> & Omit<StoredSummary, 'newest'>>(sql`
    SELECT coalesce(sum(symbol_count), 0)::float8 AS symbols, coalesce(sum(row_count), 0)::float8 AS rows FROM symbol_prefixes`)
  const newest = await db.execute<{ symbol: string; rows: number }>(sql`
    SELECT symbol, row_count AS rows FROM symbols WHERE row_count > 0
     ORDER BY last_fetched_at DESC NULLS LAST, symbol LIMIT ${limit}`)
  return { symbols: total?.symbols ?? 0, rows: total?.rows ?? 0, newest: [...newest] }
}
