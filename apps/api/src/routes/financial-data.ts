import { listFinancialData } from '@stockpile/db/financial-data'
import { listFinancialDataAsOf } from '@stockpile/db/revisions'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { INFO, pageAnswerOf, problems } from '../schemas/answer.js'
import { barAnswer, barSchema } from '../schemas/bar.js'
import { dateSchema, isOrdered, UNORDERED } from '../schemas/dates.js'
import { hasOneLimit, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { instantParameter, strict } from '../schemas/query.js'
import { symbolSchema } from '../schemas/symbol.js'
import type { App } from '../server.js'

const STANDARD_LIMIT = 5

const querySchema = strict({
  symbol: symbolSchema.optional(),
  start_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-14'] }),
  as_of: instantParameter.optional().meta({
    description:
      'What was stored at this instant: later rows are left out, and restated values are as they were. Needs symbol.',
  }),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
})
  .refine((query) => query.as_of === undefined || query.symbol !== undefined, {
    path: ['as_of'],
    error: 'as_of needs symbol.',
  })
  .refine(isOrdered, UNORDERED)
  .refine(hasOneLimit, TWO_LIMITS)

const rowSchema = z.object({
  symbol: z.string(),
  date: z.string().meta({ format: 'date' }),
  ...barSchema.shape,
})

const answerSchema = pageAnswerOf({
  description: 'A page of daily bars, by symbol (bytewise), then date, ascending.',
  entry: rowSchema,
  examples: [
    exampleRow('2026-04-01', ['242.1200', '246.2618', '240.1400', '243.1400'], '4228653'),
    exampleRow('2026-04-02', ['243.0000', '248.2103', '241.4850', '248.1600'], '3350858'),
    exampleRow('2026-04-06', ['248.1400', '248.8999', '244.7400', '246.7400'], '3376019'),
  ],
  pagination: { count: 21, page: 1, limit: 3, pages: 7 },
})

function exampleRow(
  date: string,
  prices: [string, string, string, string],
  volume: string,
): z.infer<typeof rowSchema> {
  const [open, high, low, close] = prices
  return {
    symbol: 'IBM',
    date,
    open_price: open,
    high_price: high,
    low_price: low,
    close_price: close,
    volume,
  }
}

export function financialDataRoutes(app: App, { db }: Dependencies): void {
  for (const url of ['/api/financial_data', '/financial_data']) {
    app.get(
      url,
      {
        schema: {
          hide: !url.startsWith('/api/'),
          tags: ['data'],
          operationId: 'listFinancialData',
          summary: 'Daily bars',
          description:
            'Prices are strings exactly as the provider wrote them, raw, not adjusted for splits. An unknown symbol is an empty page. Answers at /financial_data too.',
          querystring: querySchema,
          response: { 200: answerSchema, ...problems(400, 503) },
        },
      },
      async ({ query }) => {
        const page = pageOf(query, STANDARD_LIMIT)
        const range = { startDate: query.start_date, endDate: query.end_date }
        const { rows, count } =
          query.symbol !== undefined && query.as_of !== undefined
            ? await listFinancialDataAsOf(db, { symbol: query.symbol, asOf: query.as_of, ...range }, page)
            : await listFinancialData(db, { symbol: query.symbol, ...range }, page)
        const data = rows.map((row) => ({ symbol: row.symbol, date: row.date, ...barAnswer(row) }))
        return { data, pagination: pagination(page, count), info: INFO }
      },
    )
  }
}
