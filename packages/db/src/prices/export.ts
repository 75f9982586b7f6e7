import type { BarColumn } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import type { FinancialDataQuery, Position } from './financial-data-query.js'
import { rowsAfter, valuesAfter } from './rows-after.js'
import { compile, runRaw } from '../database/statement.js'

export type TextFormat = 'csv' | 'ndjson'

export interface ExportChunk {
  /** UTF-8, whole lines; null when there are no rows. */
  text: Buffer | null
  /** Where the next chunk goes on; null when this is the last. */
  last: Position | null
}

/**
 * The next rows of a query as lines that PostgreSQL wrote, values with commas between. Each chunk is a snapshot of its own.
 * For CSV they are what is answered. For NDJSON they still lack the names, which take less time where they are answered:
 * to write them between its values takes PostgreSQL as long as all else.
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
  const hasPlace = columns.includes('symbol') && columns.includes('date')
  // The rows come in order, and aggregates take them so: the last of each column is of the last row.
  const lastOf = (column: string) => (hasPlace ? sql`NULL` : sql.raw(`(array_agg(${column}))[count(*)::int]`))
  const end = sql.raw(format === 'csv' ? `E'\\r\\n'` : `E'\\n'`)
  const statement = compile(
    sql`SELECT string_agg(${lineOf(columns, format)}, ${end}) || ${end}, count(*), ${lastOf('symbol')}, ${lastOf('date')}
          FROM (${rowsAfter(query, after !== null)}) AS chunk`,
  )
  const [row] = await runRaw(db, statement, valuesAfter(query, after, limit))
  const [text = null, count, symbol, date] = row ?? []
  if (text === null || Number(count) < limit) return { text, last: null }
  if (symbol != null && date != null)
    return { text, last: { symbol: symbol.toString(), date: date.toString() } }
  return { text, last: placeOfLastLine(text) }
}

/**
 * No symbol has a character that CSV or JSON would have to quote (see symbol.ts), and nothing else is text. One that a
 * spreadsheet would take for a formula begins with an apostrophe in CSV, which no symbol does by itself.
 */
function lineOf(columns: readonly BarColumn[], format: TextFormat): SQL {
  const cells = columns.map((column) =>
    column === 'symbol' && format === 'csv'
      ? `CASE WHEN ascii(symbol) IN (43, 45, 61, 64) THEN '''' || symbol ELSE symbol END`
      : column,
  )
  // Two thirds of the time that `||` between them takes.
  return sql.raw(`concat_ws(',', ${cells.join(', ')})`)
}

/** Read here: for PostgreSQL to keep each row's, to give the last, would take a quarter of the statement's time. */
function placeOfLastLine(text: Buffer): Position {
  const line = text.toString('latin1', text.lastIndexOf('\n', text.length - 2) + 1)
  // They are its first columns.
  const [, symbol, date] = /^'?([^,]+),([^,\r\n]+)/.exec(line) ?? []
  if (symbol === undefined || date === undefined) throw new Error('readExportChunk: a line without its place')
  return { symbol, date }
}
