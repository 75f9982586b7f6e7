import { BAR_COLUMNS, BAR_VALUES } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'

/** Which daily bars are asked for, and in which order. */
export interface FinancialDataQuery {
  /** Normalised, each once, at most some 100; undefined: all. */
  symbols?: readonly string[] | undefined
  /** ISO date, inclusive. */
  startDate?: string | undefined
  /** ISO date, inclusive. */
  endDate?: string | undefined
  /** By symbol (bytewise), then date; `desc` is the exact reverse. Ascending by default. */
  order?: 'asc' | 'desc' | undefined
  /** Only the newest bar of each symbol; dates and asOf are ignored. */
  latest?: boolean | undefined
  /**
   * ISO 8601 instant: the bars as they were stored then. Rows that were inserted later are left out; a row that was changed
   * later has the values from before its first change after the instant. A transaction that commits some milliseconds after
   * the instant may count already.
   */
  asOf?: string | undefined
}

/** A bar's place in the order. */
export interface Position {
  symbol: string
  /** ISO date. */
  date: string
}

export const COLUMNS = sql.raw(BAR_COLUMNS.join(', '))
/** The values of `stored` before the change that `later` recorded; without one the values that are stored. */
const VALUES_THEN = sql.raw(
  BAR_VALUES.map(({ column }) => `coalesce(later.old_${column}, stored.${column}) AS ${column}`).join(', '),
)
export const ASCENDING = sql.raw('ASC')
export const DESCENDING = sql.raw('DESC')

/** What a statement compares with, as SQL. Without a range the dates are infinite: one text then serves with and without. */
export interface Filter {
  lower: SQL
  upper: SQL
  asOf: SQL | undefined
  /** A condition on the symbol. */
  isWanted: SQL
}

/** The values of a filter, by the names that a statement gives them. */
export type FilterValues = Record<'symbols' | 'lower' | 'upper' | 'asOf', string | undefined>

export function filterValuesOf({ symbols, startDate, endDate, asOf }: FinancialDataQuery): FilterValues {
  return {
    symbols: symbols?.length === 1 ? symbols[0] : JSON.stringify(symbols),
    lower: startDate ?? '-infinity',
    upper: endDate ?? 'infinity',
    asOf,
  }
}

/** Queries with the same kinds of filters have one text, whatever their values: these are placeholders with names. */
export function filterOf({ symbols, asOf }: FinancialDataQuery): Filter {
  const valueOf = (name: keyof FilterValues) => sql.placeholder(name)
  return {
    lower: sql`${valueOf('lower')}::date`,
    upper: sql`${valueOf('upper')}::date`,
    asOf: asOf === undefined ? undefined : sql`${valueOf('asOf')}::timestamptz`,
    isWanted:
      symbols === undefined
        ? sql`true`
        : symbols.length === 1
          ? sql`symbol = ${valueOf('symbols')}`
          : sql`symbol = ANY (ARRAY(SELECT jsonb_array_elements_text(${valueOf('symbols')}::text::jsonb)))`,
  }
}

/**
 * SQL: some rows of one symbol, a range of the primary key. The key includes all columns of a bar, so that the heap is not
 * read, but with asOf, which needs `created_at`.
 * @param part the symbol, its first and last day, the direction and how many rows, as SQL
 */
export function rowsOf(
  { asOf }: Filter,
  part: { symbol: SQL; lower: SQL; upper: SQL; direction: SQL; limit: SQL; offset?: SQL },
): SQL {
  const where = sql`stored.symbol = ${part.symbol} AND stored.date BETWEEN ${part.lower} AND ${part.upper}`
  const page = sql`ORDER BY stored.date ${part.direction} LIMIT ${part.limit} OFFSET ${part.offset ?? sql`0`}`
  if (asOf === undefined) return sql`SELECT ${COLUMNS} FROM financial_data AS stored WHERE ${where} ${page}`
  return sql`
    SELECT stored.symbol, stored.date, ${VALUES_THEN}
      FROM financial_data AS stored
      LEFT JOIN LATERAL (
        SELECT * FROM price_revisions AS revision
         WHERE revision.symbol = stored.symbol AND revision.date = stored.date AND revision.revised_at > ${asOf}
         ORDER BY revision.revised_at, revision.id LIMIT 1
      ) AS later ON true
     WHERE ${where} AND stored.created_at <= ${asOf} ${page}`
}
