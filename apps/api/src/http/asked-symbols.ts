import type { Pool } from '@stockpile/db/connection'
import { readStoredRanges } from '@stockpile/db/stored-range'
import type { StoredRange } from '@stockpile/db/stored-range'
import { readUnknown } from '@stockpile/db/version'
import { INFO } from './envelope.js'

/** `info` of an answer in which symbols that were asked for are missing. */
function infoOf({ unknown = [], empty = [] }: { unknown?: string[]; empty?: StoredRange[] }) {
  return {
    ...INFO,
    ...(unknown.length === 0 ? {} : { unknown_symbols: unknown }),
    ...(empty.length === 0
      ? {}
      : {
          stored: empty.map(({ symbol, firstDate, lastDate }) => ({
            symbol,
            first_date: firstDate,
            last_date: lastDate,
          })),
        }),
  }
}

/** Of a list of which nothing was found: whether that is because its symbol is unknown. */
export async function infoOfList(db: Pool, symbol: string | undefined, found: readonly unknown[]) {
  return symbol === undefined || found.length > 0
    ? INFO
    : infoOf({ unknown: await readUnknown(db, [symbol]) })
}

/** For a range without a row: what is stored of the symbols instead. */
export async function infoOfRange(db: Pool, unknown: string[], empty: readonly string[]) {
  return infoOf({ unknown, empty: empty.length === 0 ? [] : await readStoredRanges(db, empty) })
}
