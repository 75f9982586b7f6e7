import type { Pool } from '@stockpile/db/connection'
import { readStoredRanges } from '@stockpile/db/stored-range'
import type { StoredRange } from '@stockpile/db/stored-range'
import { readUnknown } from '@stockpile/db/version'
import * as z from 'zod'

/** `info` of every success. */
export const infoSchema = z
  .object({
    error: z.literal('').meta({ description: 'Empty unless the request failed.' }),
    synthetic_data: z.literal(true).optional().meta({
      description:
        'There when prices that a simulator made up were stored in this database: no row of it is to be taken for the market’s. Absent otherwise.',
    }),
  })
  .meta({ id: 'Info' })

/** The `info` of a success that has nothing more to tell. */
export const INFO = { error: '' } as const

/**
 * `info.unknown_symbols` of every answer that a client can ask for by symbol: an unknown symbol is told apart from an empty
 * range in one way everywhere.
 */
export const unknownSymbolsSchema = z
  .array(z.string())
  .optional()
  .meta({
    description:
      'Of the symbols asked for, and not in the answer, those without any stored row, whatever the dates; absent when there is none.',
    examples: [['NOSUCH']],
  })

/** `info.stored`: what is stored of known symbols that have no row in the range asked for. */
export const storedRangesSchema = z
  .array(
    z.object({
      symbol: z.string(),
      first_date: z.string().meta({ format: 'date' }),
      last_date: z.string().meta({ format: 'date' }),
    }),
  )
  .optional()
  .meta({
    description:
      'Of the symbols asked for that are known and have no row in the range: the first and the last day that is stored. Absent when there is none.',
    examples: [[{ symbol: 'IBM', first_date: '2026-04-01', last_date: '2026-04-30' }]],
  })

/** `info` of a list that a client can ask for by symbol. */
export const symbolListInfoSchema = infoSchema.extend({ unknown_symbols: unknownSymbolsSchema })

/** @returns the `info` of a list, which names the symbol asked for when nothing was found because the symbol is unknown */
export async function infoOfList(db: Pool, symbol: string | undefined, found: readonly unknown[]) {
  return symbol === undefined || found.length > 0
    ? INFO
    : infoOf({ unknown: await readUnknown(db, [symbol]) })
}

/** @returns the `info` of a range, which says of the symbols in `empty` what is stored of them outside the range */
export async function infoOfRange(db: Pool, unknown: string[], empty: readonly string[]) {
  return infoOf({ unknown, empty: empty.length === 0 ? [] : await readStoredRanges(db, empty) })
}

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
