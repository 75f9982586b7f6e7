import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { WARNING_CODES } from '@stockpile/domain/item'
import type { WarningCode } from '@stockpile/domain/item'
import { hasWarning } from './schema.js'

/** What a person should know of a run though nothing failed. */
export interface RunWarning {
  code: WarningCode
  /** A sentence that takes one symbol as an example and says of how many more it is true. */
  detail: string
  /** The first 100 symbols with the warning, in the order of the request. */
  symbols: string[]
}

/** What a warning says of one item. */
interface WarnedItem {
  symbol: string
  updated: number
  /** How many stored days came again, with or without a change. */
  known: number
  rejected: number
  dropped: number
}

/** How many items of a run have a warning, and the first 100 of these items. */
export interface SampledWarning {
  code: WarningCode
  count: number
  items: WarnedItem[] | null
}

const MAX_SYMBOLS = 100

/** SQL, of a run and its totals as `counted`: a list of SampledWarning in the order of WARNING_CODES; null without warnings. */
export const sampledWarnings = sql`(
  SELECT jsonb_agg(jsonb_build_object('code', code, 'count', count, 'items', items) ORDER BY place)
    FROM (${sql.join(WARNING_CODES.map(samplesOf), sql` UNION ALL `)}) AS sampled)`

/**
 * SQL: the first items with a warning; no row when the totals count none. The query reads in index order from the run on and
 * drops the items of other runs afterwards: with `run_id = run.id` the planner would read and sort all items of the run.
 */
function samplesOf(code: WarningCode, place: number): SQL {
  return sql`
    SELECT ${sql.raw(String(place))} AS place, ${sql.raw(`'${code}'`)} AS code, counted.${sql.raw(code)} AS count, (
        SELECT jsonb_agg(jsonb_build_object('symbol', symbol, 'updated', rows_updated, 'known', rows_updated + rows_unchanged,
                 'rejected', rows_rejected, 'dropped', rows_dropped) ORDER BY id)
          FROM (SELECT * FROM ingest_items WHERE run_id >= run.id AND ${hasWarning(code)} ORDER BY run_id, id LIMIT ${sql.raw(String(MAX_SYMBOLS))}) AS item
         WHERE item.run_id = run.id
      ) AS items
     WHERE counted.${sql.raw(code)} > 0`
}

/** Puts warnings into sentences, in the order of WARNING_CODES. */
export function runWarnings(sampled: readonly SampledWarning[]): RunWarning[] {
  return sampled.flatMap(({ code, count, items }) => {
    const [first] = items ?? []
    // The last item with the warning went after it was counted.
    if (items === null || first === undefined) return []
    const more = count === 1 ? '' : ` The same of ${count - 1} more.`
    return [{ code, detail: `${sentenceOf(code, first)}${more}`, symbols: items.map((item) => item.symbol) }]
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
