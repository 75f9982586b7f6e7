import { listFinancialData } from '@stockpile/db/financial-data'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { INFO, pageAnswerOf, problems } from '../schemas/answer.js'
import { dateSchema, isOrdered, UNORDERED } from '../schemas/dates.js'
import { hasOneLimit, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { strict } from '../schemas/query.js'
import { symbolSchema } from '../schemas/symbol.js'
import type { App } from '../server.js'

const STANDARD_LIMIT = 5

const querySchema = strict({
  symbol: symbolSchema.optional(),
  start_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-14'] }),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
})
  .refine(isOrdered, UNORDERED)
  .refine(hasOneLimit, TWO_LIMITS)

const price = z.string().meta({
  description: 'Exactly as the provider wrote it, decimals kept; raw, not adjusted for splits.',
  examples: ['153.0800'],
})

const rowSchema = z.object({
  symbol: z.string(),
  date: z.string().meta({ format: 'date' }),
  open_price: price,
  high_price: price,
  low_price: price,
  close_price: price,
  volume: z.string().meta({ description: 'Shares, as decimal digits.', examples: ['62199013'] }),
})

const answerSchema = pageAnswerOf({
  description: 'A page of daily bars, by symbol (bytewise), then date, ascending.',
  entry: rowSchema,
  examples: [
    {
      symbol: 'IBM',
      date: '2026-05-15',
      open_price: '218.8700',
      high_price: '220.5000',
      low_price: '214.8100',
      close_price: '218.0100',
      volume: '7110812',
    },
  ],
  pagination: { count: 20, page: 2, limit: 3, pages: 7 },
})

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
        const filter = { symbol: query.symbol, startDate: query.start_date, endDate: query.end_date }
        const { rows, count } = await listFinancialData(db, filter, page)
        const data = rows.map((row) => ({
          symbol: row.symbol,
          date: row.date,
          open_price: row.openPrice,
          high_price: row.highPrice,
          low_price: row.lowPrice,
          close_price: row.closePrice,
          volume: row.volume,
        }))
        return { data, pagination: pagination(page, count), info: INFO }
      },
    )
  }
}
