import { listFinancialData, listFinancialDataAfter } from '@stockpile/db/financial-data'
import type { FinancialDataQuery, Position } from '@stockpile/db/financial-data-query'
import { readUnknown } from '@stockpile/db/version'
import type { StoredBar } from '@stockpile/domain/bar'
import type { Dependencies } from '../dependencies.js'
import { pageOf, pagination } from '../http/pagination.js'
import type { ListPagination } from '../http/pagination.js'
import { encodeCursor } from './cursor.js'
import { STANDARD_LIMIT } from './financial-data-schema.js'
import type { Query } from './financial-data-schema.js'

/** A page of bars as it was read. */
interface PageRead {
  rows: StoredBar[]
  pagination: ListPagination
  /** The cursor of the next page; null where there is none. */
  cursor: string | null
  version: string
}

/** @param after the position that the query's cursor holds; null for a query without a cursor */
export async function readPage(
  db: Dependencies['db'],
  query: Query,
  asked: FinancialDataQuery,
  after: Position | null,
): Promise<PageRead> {
  const page = pageOf(query, STANDARD_LIMIT)
  const cursorAfter = (row: StoredBar | undefined) => (row === undefined ? null : encodeCursor(row, asked))
  if (after === null) {
    const { rows, count, version } = await listFinancialData(db, asked, page)
    const cursor = page.offset + rows.length < count ? cursorAfter(rows.at(-1)) : null
    return { rows, pagination: pagination(page, count), cursor, version }
  }
  const { rows, isLast, version } = await listFinancialDataAfter(db, asked, after, page.limit)
  const cursor = isLast ? null : cursorAfter(rows.at(-1))
  return { rows, pagination: { limit: page.limit, next_cursor: cursor }, cursor, version }
}

/** @returns the symbols asked for that are unknown; the database is asked only for symbols of which no row was found */
export async function unknownSymbols(
  db: Dependencies['db'],
  { symbols = [] }: FinancialDataQuery,
  rows: readonly StoredBar[],
): Promise<string[]> {
  const found = new Set(rows.map((row) => row.symbol))
  const doubtful = symbols.filter((symbol) => !found.has(symbol))
  return doubtful.length === 0 ? [] : readUnknown(db, doubtful)
}

/** @returns the known symbols asked for, when no row matches the query on any page; else none */
export function emptyOf(
  { symbols = [] }: FinancialDataQuery,
  { pagination: found }: PageRead,
  unknown: readonly string[],
): string[] {
  const isEmpty = 'count' in found && found.count === 0
  return isEmpty ? symbols.filter((symbol) => !unknown.includes(symbol)) : []
}
