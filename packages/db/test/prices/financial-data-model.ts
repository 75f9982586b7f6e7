import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import type { Database } from '../../src/database/connection.js'
import type { FinancialDataQuery, Position } from '../../src/prices/financial-data-query.js'

/** Symbols of one prefix and of several; some are the beginning of others. */
const SYMBOLS = ['A', 'A.B', 'AA', 'AAB', 'AB', 'B', 'BA', 'B~', 'a']
const MAX_DAYS = 7
const day = (number: number) => `2024-01-0${number}`
const days = fc.integer({ min: 1, max: MAX_DAYS }).map(day)

/** Stored bars by their place, in no order. */
export const tables = fc
  .array(fc.tuple(fc.constantFrom(...SYMBOLS), fc.uniqueArray(days)), { maxLength: 9 })
  .map((list) => [...new Map(list)].flatMap(([symbol, dates]) => dates.map((date) => ({ symbol, date }))))

/** Half of the filters are absent: a query without filters takes another way through the code. */
const absent = { nil: undefined, freq: 1 }
const symbols = fc.option(fc.uniqueArray(fc.constantFrom(...SYMBOLS, 'NOSUCH'), { minLength: 1 }), {
  ...absent,
})
const order = fc.constantFrom('asc' as const, 'desc' as const, undefined)
const range = fc
  .tuple(fc.option(days, absent), fc.option(days, absent))
  .map(([one, other]) =>
    one !== undefined && other !== undefined && one > other
      ? { startDate: other, endDate: one }
      : { startDate: one, endDate: other },
  )
export const queries: fc.Arbitrary<FinancialDataQuery> = fc.oneof(
  fc.tuple(range, fc.record({ symbols, order })).map(([dates, rest]) => ({ ...dates, ...rest })),
  fc
    .tuple(range, fc.record({ symbols, order, asOf: fc.constant('2100-01-01T00:00:00Z') }))
    .map(([dates, rest]) => ({ ...dates, ...rest })),
  fc.record({ symbols, order, latest: fc.constant(true) }),
)

export async function storeTable(db: Database, table: readonly Position[]): Promise<void> {
  await db.execute(sql`TRUNCATE financial_data, symbols, symbol_prefixes`)
  // Symbols without rows are in the table as well.
  await db.execute(
    sql`INSERT INTO symbols (symbol) SELECT jsonb_array_elements_text(${JSON.stringify(SYMBOLS)}::text::jsonb)`,
  )
  await insertRows(db, table)
}

export async function insertRows(db: Database, rows: readonly Position[]): Promise<void> {
  await db.execute(sql`
    INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
    SELECT symbol, date, 10, 12, 9, 11, 1000 FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) AS bar (symbol text, date date)`)
}

/** The answer that a query has to give, computed by the plainest means. */
export function answerOf(table: readonly Position[], query: FinancialDataQuery): Position[] {
  const { startDate = '', endDate = '9' } = query
  const newest = new Map<string, string>()
  for (const { symbol, date } of table) {
    if (date > (newest.get(symbol) ?? '')) newest.set(symbol, date)
  }
  const rows = table.filter(
    ({ symbol, date }) =>
      (query.symbols === undefined || query.symbols.includes(symbol)) &&
      (query.latest === true ? date === newest.get(symbol) : date >= startDate && date <= endDate),
  )
  const sorted = rows.toSorted(
    (one, other) => compare(one.symbol, other.symbol) || compare(one.date, other.date),
  )
  return query.order === 'desc' ? sorted.toReversed() : sorted
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other)
}
