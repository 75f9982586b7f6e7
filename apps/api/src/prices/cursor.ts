import { crc32 } from 'node:zlib'
import type { FinancialDataQuery, Position } from '@stockpile/db/financial-data-query'
import { isSymbol } from '@stockpile/domain/symbol'
import * as z from 'zod'
import { isCalendarDate } from '../http/dates.js'
import { parseCursor, writeCursor } from '../http/list-cursor.js'

/** Symbol, date, checksum. */
const contentSchema = z.tuple([z.string().refine(isSymbol), z.string().refine(isCalendarDate), z.int()])

/**
 * A cursor of bars: the bar after which a query goes on, and a checksum of the query, which finds mistakes, such as the
 * cursor of another query. The checksum is no secret: see createListCursor, whose cursors hold other content.
 */
export function encodeCursor({ symbol, date }: Position, query: FinancialDataQuery): string {
  const { symbols, startDate, endDate, order = 'asc', latest = false, asOf } = query
  const filter = [symbols?.toSorted(), startDate, endDate, order, latest, asOf]
  const check = crc32(JSON.stringify([symbol, date, filter]))
  return writeCursor([symbol, date, check])
}

/** @returns null for any text but a cursor that `encodeCursor` made for this query */
export function decodeCursor(cursor: string, query: FinancialDataQuery): Position | null {
  const content = contentSchema.safeParse(parseCursor(cursor))
  if (!content.success) return null
  const [symbol, date] = content.data
  return encodeCursor({ symbol, date }, query) === cursor ? { symbol, date } : null
}
