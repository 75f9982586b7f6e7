import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { readRaw } from './connection.js'
import type { Pool } from './connection.js'
import type { FinancialDataQuery, Position } from './financial-data-query.js'
import { rowsAfter } from './rows-after.js'

/** In the order in which answers have them. */
export const BAR_COLUMNS = [
  'symbol',
  'date',
  'open_price',
  'high_price',
  'low_price',
  'close_price',
  'volume',
] as const
export type BarColumn = (typeof BAR_COLUMNS)[number]
export type TextFormat = 'csv' | 'ndjson'

export interface ExportChunk {
  /** UTF-8, whole lines; null when there are no rows. */
  text: Buffer | null
  /** Where the next chunk goes on; null when this is the last. */
  last: Position | null
}

/**
 * The next rows of a query as lines that PostgreSQL wrote, for their reader to pass on. Each chunk is a snapshot of its own.
 * @param after the last row that was had; null: from the start
 * @param limit of rows
 */
export async function readExportChunk(
  db: Pool,
  query: FinancialDataQuery,
  { columns, format }: { columns: readonly BarColumn[]; format: TextFormat },
  after: Position | null,
  limit: number,
): Promise<ExportChunk> {
  const { line, end } = format === 'csv' ? csvLine(columns) : ndjsonLine(columns)
  // The rows come in order, and aggregates take them so: the last of each column is of the last row.
  const [row] = await readRaw(
    db,
    sql`SELECT string_agg(${line}, ${end}) || ${end}, count(*),
               (array_agg(symbol))[count(*)::int], (array_agg(date))[count(*)::int]
          FROM (${rowsAfter(query, after, limit)}) AS chunk`,
  )
  const [text = null, count, symbol, date] = row ?? []
  const isLast = Number(count) < limit || symbol == null || date == null
  return { text, last: isLast ? null : { symbol: symbol.toString(), date: date.toString() } }
}

// No symbol has a character that CSV or JSON would have to quote (see symbol.ts), and nothing else is text. `||` takes
// two thirds of the time of concat(), which asks for each value's type.

/** A symbol that a spreadsheet would take for a formula begins with an apostrophe, which no symbol does by itself. */
function csvLine(columns: readonly BarColumn[]): { line: SQL; end: SQL } {
  const cells = columns.map((column) =>
    column === 'symbol'
      ? `CASE WHEN ascii(symbol) IN (43, 45, 61, 64) THEN '''' || symbol ELSE symbol END`
      : `${column}::text`,
  )
  return { line: sql.raw(cells.join(` || ',' || `)), end: sql.raw(`E'\\r\\n'`) }
}

function ndjsonLine(columns: readonly BarColumn[]): { line: SQL; end: SQL } {
  const fields = columns.map((column) => `"${column}":"' || ${column} || '"`)
  return { line: sql.raw(`'{${fields.join(',')}}'`), end: sql.raw(`E'\\n'`) }
}
