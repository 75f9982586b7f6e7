import type { BarColumn } from '@stockpile/domain/bar'
import { getTableColumns, sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import type { Pool } from '../database/connection.js'
import type { FinancialDataQuery, Position } from './financial-data-query.js'
import { rowsAfter, valuesAfter } from './rows-after.js'
import { financialData } from './schema.js'
import { compile, runRaw } from '../database/statement.js'

export type TextFormat = 'csv' | 'ndjson'

export interface ExportChunk {
  /** UTF-8, whole lines; null when there are no rows. */
  text: Buffer | null
  /** Where the next chunk goes on; null when this is the last. */
  last: Position | null
}

/**
 * Reads the next rows of a query as lines that PostgreSQL wrote: values with commas between, nothing for a null. Each chunk
 * is a snapshot of its own. Lines of CSV are answered as they are. Lines of NDJSON still lack the names, which the API writes
 * (see `writeLines`): PostgreSQL would take as long to write names between the values as for all else.
 * @param after the last row that was read before; null: from the start
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
  // Aggregates take the rows in their order: the last value of each column is of the last row.
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

/** The columns of a bar that may be null. */
const NULLABLE: ReadonlySet<string> = new Set(
  Object.values(getTableColumns(financialData)).flatMap(({ name, notNull }) => (notNull ? [] : [name])),
)

/**
 * SQL: a row's line. No symbol has a character that CSV or JSON would have to quote (see symbol.ts), and no other column is
 * text. In CSV a symbol that a spreadsheet would take for a formula begins with an apostrophe, which no symbol does by itself.
 * @param nullable the columns that may be null, of which the line has an empty cell: concat_ws leaves a null out
 */
export function lineOf(columns: readonly BarColumn[], format: TextFormat, nullable = NULLABLE): SQL {
  const cells = columns.map((column) => {
    if (column === 'symbol' && format === 'csv')
      return `CASE WHEN ascii(symbol) IN (43, 45, 61, 64) THEN '''' || symbol ELSE symbol END`
    return nullable.has(column) ? `coalesce(${column}::text, '')` : column
  })
  // Two thirds of the time that `||` between the cells takes, and three quarters of `concat` or of `coalesce` in each cell.
  return sql.raw(`concat_ws(',', ${cells.join(', ')})`)
}

/** Found in the text: to keep every row's symbol and day for the last would cost PostgreSQL a quarter of the statement's time. */
function placeOfLastLine(text: Buffer): Position {
  const line = text.toString('latin1', text.lastIndexOf('\n', text.length - 2) + 1)
  // The line begins with symbol and date.
  const [, symbol, date] = /^'?([^,]+),([^,\r\n]+)/.exec(line) ?? []
  if (symbol === undefined || date === undefined) throw new Error('readExportChunk: a line without its place')
  return { symbol, date }
}
