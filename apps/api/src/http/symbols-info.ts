import * as z from 'zod'

/** In `info` wherever symbols are asked for, so that there is one way to tell an unknown one from an empty range. */
export const unknownSymbolsSchema = z
  .array(z.string())
  .optional()
  .meta({
    description:
      'Of the symbols asked for, and not in the answer, those without any stored row, whatever the dates; absent when there is none.',
    examples: [['NOSUCH']],
  })

/** The same of known ones without a row in the range asked for. */
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
