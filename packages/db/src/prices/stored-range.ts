import { sql } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import { compile, run } from '../database/statement.js'

/** The first and the last stored day of a symbol; ISO dates. */
export interface StoredRange {
  symbol: string
  firstDate: string
  lastDate: string
}

const RANGES = compile(sql`
  SELECT wanted.symbol, known.first_date::text AS "firstDate", known.last_date::text AS "lastDate"
    FROM jsonb_array_elements_text(${sql.placeholder('symbols')}::text::jsonb) WITH ORDINALITY AS wanted (symbol, position)
    JOIN symbols AS known ON known.symbol = wanted.symbol COLLATE "C" AND known.row_count > 0
   ORDER BY wanted.position`)

/** Reads the ranges of the symbols that have rows, in the order given. */
export async function readStoredRanges(db: Pool, symbols: readonly string[]): Promise<StoredRange[]> {
  return run<StoredRange>(db, RANGES, { symbols: JSON.stringify(symbols) })
}
