import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'

/** What a person should know of an item though it did not fail. The codes are stable. */
export const WARNING_CODES = [
  'newest_row_rejected',
  'nothing_stored',
  'restated',
  'rejected_rows_not_kept',
] as const
export type WarningCode = (typeof WARNING_CODES)[number]

export interface RunWarning {
  code: WarningCode
  /** A sentence, of one symbol as an example and of how many more. */
  detail: string
  /** The first of them in the order of the request. */
  symbols: string[]
}

/** What a warning is told from: one item of the run. */
export interface WarnedItem {
  id: number
  symbol: string
  codes: WarningCode[]
  updated: number
  /** Days that were stored before and came again, the updated ones among them. */
  known: number
  rejected: number
  dropped: number
}

const MAX_SYMBOLS = 100

/** Of what was fetched, by itself or by another run for both. */
const nothingStored = sql`outcome IS NOT NULL AND rows_fetched > 0 AND rows_inserted + rows_updated + rows_unchanged = 0`

/** SQL, of an item: whether it succeeded and its symbol lacks what the provider has. */
export const isIncomplete = sql`(newest_rejected OR coalesce(${nothingStored}, false))`

/**
 * When each is said. The newest row or two are settled by the vendor on the next day as a rule: what is restated at once is
 * five days or more, and a tenth of those that came again.
 */
const CONDITIONS: Record<WarningCode, SQL> = {
  newest_row_rejected: sql`newest_rejected`,
  nothing_stored: nothingStored,
  restated: sql`rows_updated >= 5 AND rows_updated * 10 >= rows_updated + rows_unchanged`,
  rejected_rows_not_kept: sql`rows_dropped > 0`,
}

/** SQL, of an item: the codes of its warnings as a JSON list. */
export const warningCodes = sql`to_jsonb(array_remove(ARRAY[${sql.join(
  WARNING_CODES.map((code) => sql`CASE WHEN ${CONDITIONS[code]} THEN ${sql.raw(`'${code}'`)} END`),
  sql`, `,
)}], NULL))`

/** SQL, over a run's items: those with a warning as a JSON list of WarnedItem, null when there are none. */
export const warnedItems = sql`jsonb_agg(jsonb_build_object('id', id, 'symbol', symbol, 'codes', ${warningCodes},
    'updated', rows_updated, 'known', rows_updated + rows_unchanged, 'rejected', rows_rejected, 'dropped', rows_dropped))
  FILTER (WHERE ${sql.join(
    WARNING_CODES.map((code) => sql`(${CONDITIONS[code]})`),
    sql` OR `,
  )})`

/** One warning a code, in the order of WARNING_CODES. */
export function runWarnings(items: readonly WarnedItem[]): RunWarning[] {
  const inOrder = items.toSorted((a, b) => a.id - b.id)
  return WARNING_CODES.flatMap((code) => {
    const warned = inOrder.filter((item) => item.codes.includes(code))
    const [first] = warned
    if (first === undefined) return []
    const more = warned.length === 1 ? '' : ` The same of ${warned.length - 1} more.`
    const symbols = warned.slice(0, MAX_SYMBOLS).map((item) => item.symbol)
    return [{ code, detail: `${sentenceOf(code, first)}${more}`, symbols }]
  })
}

function sentenceOf(code: WarningCode, { symbol, updated, known, rejected, dropped }: WarnedItem): string {
  switch (code) {
    case 'newest_row_rejected':
      return `The newest row of ${symbol} was rejected (/api/rejected_rows says why), so it is not up to date.`
    case 'nothing_stored':
      return `Nothing of the answer for ${symbol} could be stored: its bars are of sessions that may be open.`
    case 'restated':
      return `${updated} of ${known} stored days of ${symbol} changed at once (/api/symbols/${symbol}/revisions has what they were).`
    case 'rejected_rows_not_kept':
      return `${rejected} rows of ${symbol} were rejected, of which ${rejected - dropped} are kept.`
  }
}
