import type { FinancialDataQuery } from '@stockpile/db/financial-data-query'
import type { StoredBar } from '@stockpile/domain/bar'
import * as z from 'zod'
import { encodeCursor } from './cursor.js'
import { FORMATS } from '../http/negotiation.js'
import { barSchema, EXAMPLE_BARS } from './bar.js'
import { dateSchema, isOrdered, UNORDERED } from '../http/dates.js'
import {
  cursorSchema,
  hasOneLimit,
  hasOnePlace,
  PAGE_OR_CURSOR,
  pageParameters,
  listPaginationSchema,
  TWO_LIMITS,
} from '../http/pagination.js'
import { strict, yesOrNo } from '../http/parameters.js'
import { symbolSchema, symbolsSchema } from '../http/symbol.js'
import { INFO, infoSchema, storedRangesSchema, unknownSymbolsSchema } from '../http/info.js'
import { instantParameter } from '../http/instant.js'

export const STANDARD_LIMIT = 5
/** The cursor of ?symbol=IBM after the rows that OpenAPI shows. */
export const EXAMPLE_CURSOR = encodeCursor({ symbol: 'IBM', date: '2026-04-06' }, { symbols: ['IBM'] })

const wholeRowSchema = z.object({
  symbol: z.string(),
  date: z.string().meta({ format: 'date' }),
  ...barSchema.shape,
})
type WholeRow = z.infer<typeof wholeRowSchema>
type Field = keyof WholeRow
const FIELDS = wholeRowSchema.keyof().options
const FIELDS_MESSAGE = `fields is one list of these, separated by commas, each at most once: ${FIELDS.join(', ')}.`

const fieldsSchema = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',', FIELDS.length + 1) : null),
    z
      .array(z.enum(FIELDS, FIELDS_MESSAGE), FIELDS_MESSAGE)
      .refine((names) => new Set(names).size === names.length, FIELDS_MESSAGE),
  )
  .meta({
    type: 'string',
    items: undefined,
    description: `What a row carries, whatever the order of the list: ${FIELDS.join(', ')}; all of it unless said otherwise.`,
    examples: ['date,close_price'],
  })

const isPast = (instant: string) => Date.parse(instant) <= Date.now()

export const querySchema = strict({
  symbol: symbolSchema.optional(),
  symbols: symbolsSchema.optional(),
  start_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-14'] }),
  latest: yesOrNo.optional().meta({
    description: 'true: the newest bar of each symbol alone; without start_date, end_date and as_of.',
    examples: [true],
  }),
  as_of: instantParameter
    .refine(isPast, 'as_of is in the future: what will be stored then is not known.')
    .optional()
    .meta({
      description:
        'What was stored at this instant: later rows are left out, and restated values are as they were. Needs symbol or symbols.',
    }),
  order: z
    .enum(['asc', 'desc'], 'order is asc or desc.')
    .optional()
    .meta({
      description:
        'By symbol (bytewise), then date: ascending, or the exact reverse of that. asc by default.',
      examples: ['desc'],
    }),
  fields: fieldsSchema.optional(),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
  cursor: cursorSchema.optional().meta({
    description:
      'Instead of page: goes on after the last row of the answer that it is taken from, at the same cost everywhere, and neither repeats nor skips a row when others come. Belongs to that request; limit and fields may change.',
    examples: [EXAMPLE_CURSOR],
  }),
  format: z
    .enum(FORMATS, `format is one of ${FORMATS.join(', ')}.`)
    .optional()
    .meta({ description: 'Instead of Accept, for a browser or a spreadsheet.', examples: ['csv'] }),
})
  .refine(({ symbol, symbols }) => symbol === undefined || symbols === undefined, {
    path: ['symbols'],
    error: 'Give either symbol or symbols.',
  })
  .refine(
    ({ latest, start_date, end_date, as_of }) =>
      latest !== true || (start_date ?? end_date ?? as_of) === undefined,
    {
      path: ['latest'],
      error: 'latest goes with neither start_date, end_date nor as_of.',
    },
  )
  .refine(({ as_of, symbol, symbols }) => as_of === undefined || (symbol ?? symbols) !== undefined, {
    path: ['as_of'],
    error: 'as_of needs symbol or symbols.',
  })
  .refine(hasOnePlace, PAGE_OR_CURSOR)
  .refine(isOrdered, UNORDERED)
  .refine(hasOneLimit, TWO_LIMITS)
export type Query = z.infer<typeof querySchema>

/** @returns which rows the query asks for, without its page, fields and format */
export function rowsAskedFor(query: Query): FinancialDataQuery {
  const symbols = query.symbol === undefined ? query.symbols : [query.symbol]
  return {
    symbols: symbols && [...new Set(symbols)],
    startDate: query.start_date,
    endDate: query.end_date,
    order: query.order,
    latest: query.latest,
    asOf: query.as_of,
  }
}

const rowSchema = wholeRowSchema
  .partial()
  .meta({ id: 'Bar', description: 'All of it, unless fields says otherwise.' })

export const answerSchema = z
  .object({
    data: z.array(rowSchema),
    pagination: listPaginationSchema,
    info: infoSchema.extend({ unknown_symbols: unknownSymbolsSchema, stored: storedRangesSchema }),
  })
  .meta({
    description: 'A page of daily bars, by symbol (bytewise), then date.',
    examples: [
      {
        data: EXAMPLE_BARS,
        pagination: { count: 21, page: 1, limit: 3, pages: 7 },
        info: INFO,
      },
    ],
  })

/** @param fields the names to answer with, in any order; undefined: all */
export function rowAnswer(row: StoredBar, fields: readonly Field[] | undefined): Partial<WholeRow> {
  if (fields === undefined) return row
  return Object.fromEntries(FIELDS.filter((name) => fields.includes(name)).map((name) => [name, row[name]]))
}
