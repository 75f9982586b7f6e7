import { crc32 } from 'node:zlib'
import type { FinancialDataQuery, Position } from '@stockpile/db/financial-data-query'
import { isSymbol } from '@stockpile/db/symbol'
import * as z from 'zod'
import { isCalendarDate } from '../http/dates.js'

/** Symbol, date, check. */
const contentSchema = z.tuple([z.string().refine(isSymbol), z.string().refine(isCalendarDate), z.int()])

/**
 * Where a walk through a query's rows goes on. The check finds mistakes, such as the cursor of another query; it is no
 * secret: whoever makes a cursor that passes it gets rows that the query would have given him anyway.
 */
export function encodeCursor({ symbol, date }: Position, query: FinancialDataQuery): string {
  const { symbols, startDate, endDate, order = 'asc', latest = false, asOf } = query
  const filter = [symbols?.toSorted(), startDate, endDate, order, latest, asOf]
  const check = crc32(JSON.stringify([symbol, date, filter]))
  return Buffer.from(JSON.stringify([symbol, date, check])).toString('base64url')
}

/** @returns null for what is not exactly a cursor of this query */
export function decodeCursor(cursor: string, query: FinancialDataQuery): Position | null {
  const content = contentSchema.safeParse(parseJson(Buffer.from(cursor, 'base64url').toString()))
  if (!content.success) return null
  const [symbol, date] = content.data
  return encodeCursor({ symbol, date }, query) === cursor ? { symbol, date } : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
