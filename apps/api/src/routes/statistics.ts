import { averageBySymbol } from '@stockpile/db/financial-data'
import type { Statistics } from '@stockpile/db/financial-data'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { ProblemError } from '../problem.js'
import { INFO, answerOf, problems } from '../schemas/answer.js'
import { dateSchema, isOrdered, UNORDERED } from '../schemas/dates.js'
import { strict } from '../schemas/query.js'
import { symbolSchema, symbolsSchema } from '../schemas/symbol.js'
import type { App } from '../server.js'

const querySchema = strict({
  symbol: symbolSchema.optional(),
  symbols: symbolsSchema.optional().meta({
    description: 'Instead of symbol: up to 100, separated by commas; data is then a list.',
  }),
  start_date: dateSchema.meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: dateSchema.meta({ description: 'Inclusive.', examples: ['2023-01-31'] }),
})
  .refine(isOrdered, UNORDERED)
  .refine((query) => (query.symbol === undefined) !== (query.symbols === undefined), {
    path: ['symbol'],
    error: 'Give either symbol or symbols.',
  })

const PRICE_DESCRIPTION = 'A JSON number, rounded half up to 4 decimals.'
const statisticsSchema = z.object({
  start_date: z.string(),
  end_date: z.string(),
  symbol: z.string(),
  average_daily_open_price: z.number().nullable().meta({ description: PRICE_DESCRIPTION }),
  average_daily_close_price: z.number().nullable().meta({ description: PRICE_DESCRIPTION }),
  average_daily_volume: z.number().nullable().meta({
    description: 'A JSON number, rounded half up to an integer; exact up to 2^53 (9,007,199,254,740,992).',
  }),
})
type StatisticsAnswer = z.infer<typeof statisticsSchema>

const answerSchema = answerOf({
  description:
    'Averages over the days stored in the range, nulls when there are none; a list when symbols was given.',
  data: z.union([statisticsSchema, z.array(statisticsSchema)]),
  example: {
    start_date: '2026-04-01',
    end_date: '2026-04-30',
    symbol: 'IBM',
    average_daily_open_price: 241.4457,
    average_daily_close_price: 241.1252,
    average_daily_volume: 6_358_311,
  },
})

export function statisticsRoutes(app: App, { db }: Dependencies): void {
  for (const url of ['/api/statistics', '/statistics']) {
    app.get(
      url,
      {
        schema: {
          hide: !url.startsWith('/api/'),
          tags: ['data'],
          operationId: 'getStatistics',
          summary: 'Averages over a range of days',
          description:
            'Of raw prices, not adjusted for splits. A symbol without any row is 404. Answers at /statistics too.',
          querystring: querySchema,
          response: { 200: answerSchema, ...problems(400, 404, 503) },
        },
      },
      async ({ query }) => {
        const symbols = query.symbols ?? [query.symbol ?? '']
        const range = { startDate: query.start_date, endDate: query.end_date }
        const distinct = [...new Set(symbols)]
        const averages = await averageBySymbol(db, distinct, range)
        const known = averages.filter((average) => average !== null)
        if (known.length < averages.length)
          throw unknownSymbols(distinct.filter((_, index) => averages[index] === null))
        const data = known.map((average) => statisticsAnswer(average, range))
        const [only] = data
        return { data: query.symbols === undefined && only !== undefined ? only : data, info: INFO }
      },
    )
  }
}

/** Names the symbols: they have passed the check of a symbol's characters. */
function unknownSymbols(symbols: string[]): ProblemError {
  const errors = symbols.map((symbol) => ({
    pointer: '/query',
    code: 'unknown_symbol',
    detail: `Nothing is stored for ${symbol}.`,
  }))
  return new ProblemError(404, `Nothing is stored for ${symbols.join(', ')}.`, { errors })
}

function statisticsAnswer(
  average: Statistics,
  range: { startDate: string; endDate: string },
): StatisticsAnswer {
  return {
    start_date: range.startDate,
    end_date: range.endDate,
    symbol: average.symbol,
    average_daily_open_price: toNumber(average.averageOpenPrice),
    average_daily_close_price: toNumber(average.averageClosePrice),
    average_daily_volume: toNumber(average.averageVolume),
  }
}

function toNumber(decimal: string | null): number | null {
  return decimal === null ? null : Number(decimal)
}
