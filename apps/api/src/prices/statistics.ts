import { AVERAGES, PERIOD_NAMES, readStatistics } from '@stockpile/db/statistics'
import { readKnownVersion } from '@stockpile/db/version'
import * as z from 'zod'
import { infoOfRange, INFO, infoSchema, storedRangesSchema } from '../http/info.js'
import type { Dependencies } from '../dependencies.js'
import { isHeavy } from '../http/heavy-statements.js'
import { ProblemError } from '../http/problem.js'
import {
  cacheHeaders,
  isUnchanged,
  CACHE_HEADERS,
  revalidationHeaders,
  unchangedSchema,
} from '../http/revalidation.js'
import { problems } from '../http/envelope.js'
import { isOrdered, requiredDate, UNORDERED } from '../http/dates.js'
import { strict } from '../http/parameters.js'
import { statisticsSchema, statisticFieldsSchema } from './statistics-schema.js'
import { symbolSchema, symbolsSchema } from '../http/symbol.js'
import type { App } from '../types.js'

const PATH = '/api/statistics'
const ALIAS = '/statistics'
/** The most entries of an answer: 50 symbols by month for 8 years, some 3 MB. */
const MAX_ENTRIES = 5_000

const querySchema = strict({
  symbol: symbolSchema.optional(),
  symbols: symbolsSchema.optional().meta({
    description: 'Instead of symbol: up to 100, separated by commas; data is then a list.',
  }),
  start_date: requiredDate('start_date').meta({ description: 'Inclusive.', examples: ['2023-01-01'] }),
  end_date: requiredDate('end_date').meta({ description: 'Inclusive.', examples: ['2023-01-31'] }),
  fields: statisticFieldsSchema.optional(),
  group_by: z
    .enum(PERIOD_NAMES, `group_by is one of ${PERIOD_NAMES.join(', ')}.`)
    .optional()
    .meta({
      description: `An entry for each period that has rows; data is then a list, by symbol as asked, then by period. Up to ${MAX_ENTRIES} entries.`,
      examples: ['month'],
    }),
})
  .refine(isOrdered, UNORDERED)
  .refine((query) => (query.symbol === undefined) !== (query.symbols === undefined), {
    path: ['symbol'],
    error: 'Give either symbol or symbols.',
  })

const answerSchema = z
  .object({
    data: z.union([statisticsSchema, z.array(statisticsSchema)]),
    info: infoSchema.extend({ stored: storedRangesSchema }),
  })
  .meta({
    description:
      'Of the days stored in the range, nulls for what they are too few for; a list when symbols or group_by was given.',
    examples: [
      {
        data: {
          start_date: '2026-04-01',
          end_date: '2026-04-30',
          symbol: 'IBM',
          average_daily_open_price: 241.4457,
          average_daily_close_price: 241.1252,
          average_daily_volume: 6_358_311,
        },
        info: INFO,
      },
    ],
  })

export function statisticsRoutes(app: App, { dataDb, heavy }: Dependencies): void {
  for (const url of [PATH, ALIAS]) {
    app.get(
      url,
      {
        schema: {
          hide: url === ALIAS,
          tags: ['data'],
          operationId: 'getStatistics',
          summary: 'Averages over a range of days, and more by fields',
          description:
            'Of raw prices, not adjusted for splits, computed with decimals. Without fields the three averages. A symbol without any row is 404, and named in info.unknown_symbols; of a known one without rows in the range info.stored says what is stored. Answers at /statistics too.',
          headers: revalidationHeaders,
          querystring: querySchema,
          'x-aliases': [ALIAS],
          'x-filled-in': ['symbol'],
          'x-response-headers': { 200: CACHE_HEADERS, 304: CACHE_HEADERS },
          response: { 200: answerSchema, 304: unchangedSchema, ...problems(400, 404, 429, 503) },
        },
        // Types and the fuzz hold the answer to its schema, so that no request checks it again.
        serializerCompiler: () => JSON.stringify,
      },
      async (request, reply) => {
        const { query } = request
        const symbols = [...new Set(query.symbols ?? [query.symbol ?? ''])]
        const revalidation = { operation: 'statistics', query, format: 'json', vary: 'accept-encoding' }
        if (await isUnchanged(request, reply, revalidation, () => readKnownVersion(dataDb, symbols)))
          return reply.send()
        const range = { symbols: symbols.length, startDate: query.start_date, endDate: query.end_date }
        const asked = {
          symbols,
          startDate: query.start_date,
          endDate: query.end_date,
          names: query.fields ?? AVERAGES,
          groupBy: query.group_by,
          // The limit counts symbols without rows too; one entry more tells that there are too many.
          limit: MAX_ENTRIES + symbols.length + 1,
        }
        const { entries, unknown, empty, version } = isHeavy(range)
          ? await heavy.run(request, (db) => readStatistics(db, asked), range)
          : await readStatistics(dataDb, asked)
        if (unknown.length > 0) throw unknownSymbols(unknown)
        if (entries.length > MAX_ENTRIES) throw tooManyEntries()
        reply.headers(cacheHeaders(revalidation, version))
        const [only] = entries
        const isList = query.symbols !== undefined || query.group_by !== undefined
        const info = await infoOfRange(dataDb, [], empty)
        return { data: isList || only === undefined ? entries : only, info }
      },
    )
  }
}

/** The message names the symbols, which is safe: they have passed the check of a symbol's characters. */
function unknownSymbols(symbols: string[]): ProblemError {
  const errors = symbols.map((symbol) => ({
    pointer: '/query',
    code: 'unknown_symbol',
    detail: `Nothing is stored for ${symbol}.`,
  }))
  return new ProblemError(404, `Nothing is stored for ${symbols.join(', ')}.`, {
    errors,
    info: { unknown_symbols: symbols },
  })
}

function tooManyEntries(): ProblemError {
  const detail = `There are more than ${MAX_ENTRIES} entries: ask for fewer symbols, a shorter range or longer periods.`
  return new ProblemError(400, `/query/group_by: ${detail}`, {
    errors: [{ pointer: '/query/group_by', code: 'too_many_entries', detail }],
  })
}
