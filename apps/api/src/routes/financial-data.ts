import { BAR_COLUMNS } from '@stockpile/db/export'
import { listFinancialData } from '@stockpile/db/financial-data'
import { readVersion } from '@stockpile/db/version'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import type { Exports } from '../exports.js'
import { FORMATS, negotiateFormat } from '../format.js'
import { cacheHeaders, isUnchanged } from '../revalidation.js'
import {
  CACHE_HEADERS,
  INFO,
  pageAnswerOf,
  problems,
  revalidationHeaders,
  unchangedSchema,
} from '../schemas/answer.js'
import { barAnswer, barSchema } from '../schemas/bar.js'
import { dateSchema, isOrdered, UNORDERED } from '../schemas/dates.js'
import { hasOneLimit, isPage, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { instantParameter, strict } from '../schemas/query.js'
import { symbolSchema } from '../schemas/symbol.js'
import { sendExport, sendText, TEXT_HEADERS, textOrJsonAnswer } from '../text-answer.js'
import type { App } from '../server.js'

const STANDARD_LIMIT = 5
const VARY = 'accept, accept-encoding'

const querySchema = strict({
  symbol: symbolSchema.optional(),
  start_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: dateSchema.optional().meta({ description: 'Inclusive.', examples: ['2023-01-14'] }),
  as_of: instantParameter.optional().meta({
    description:
      'What was stored at this instant: later rows are left out, and restated values are as they were. Needs symbol.',
  }),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
  format: z
    .enum(FORMATS, `format is one of ${FORMATS.join(', ')}.`)
    .optional()
    .meta({ description: 'Instead of Accept, for a browser or a spreadsheet.', examples: ['csv'] }),
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

export function financialDataRoutes(app: App, { db }: Dependencies, exports: Exports): void {
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
            'Prices are strings exactly as the provider wrote them, raw, not adjusted for splits. An unknown symbol is an empty page. As CSV or NDJSON (Accept, or format) the whole result is streamed unless limit, size or page is given: read in parts, so that rows which change meanwhile may be of different moments; a connection that ends early says that the rest is missing. Answers at /financial_data too.',
          headers: revalidationHeaders,
          querystring: querySchema,
          'x-response-headers': { 200: TEXT_HEADERS, 304: CACHE_HEADERS },
          response: {
            200: textOrJsonAnswer(answerSchema),
            304: unchangedSchema,
            ...problems(400, 406, 503),
          },
        },
      },
      async (request, reply) => {
        const { query } = request
        const format = query.format ?? negotiateFormat(request.headers.accept)
        const symbols = query.symbol === undefined ? undefined : [query.symbol]
        const range = { startDate: query.start_date, endDate: query.end_date }
        const asked = { symbols, ...range, asOf: query.as_of }
        const revalidation = { operation: 'financial_data', query, format, vary: VARY }
        if (await isUnchanged(request, reply, revalidation, () => readVersion(db, symbols)))
          return reply.send()
        if (format !== 'json' && !isPage(query)) {
          // Before the rows, which are read for as long as the client takes them.
          const headers = cacheHeaders(revalidation, await readVersion(db, symbols))
          const text = { format, columns: BAR_COLUMNS, headers }
          return sendExport(reply, { db, exports }, asked, text)
        }
        const page = pageOf(query, STANDARD_LIMIT)
        const { rows, count, version } = await listFinancialData(db, asked, page)
        const data = rows.map((row) => ({ symbol: row.symbol, date: row.date, ...barAnswer(row) }))
        const headers = cacheHeaders(revalidation, version)
        if (format !== 'json') return sendText(reply, asked, { format, columns: BAR_COLUMNS, headers }, data)
        reply.headers(headers)
        return { data, pagination: pagination(page, count), info: INFO }
      },
    )
  }
}
