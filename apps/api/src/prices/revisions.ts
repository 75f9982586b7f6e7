import { listRevisions } from '@stockpile/db/revisions'
import * as z from 'zod'
import { infoOfList, symbolListInfoSchema } from '../http/info.js'
import type { Dependencies } from '../dependencies.js'
import { readList, LINK_HEADERS } from '../http/list-answer.js'
import { createListCursor } from '../http/list-cursor.js'
import { pageAnswerOf, problems } from '../http/envelope.js'
import { barSchema, EXAMPLE_BARS } from './bar.js'
import { dateSchema, isOrdered, UNORDERED } from '../http/dates.js'
import { instantSchema } from '../http/instant.js'
import { hasOneLimit, hasOnePlace, listParameters, PAGE_OR_CURSOR, TWO_LIMITS } from '../http/pagination.js'
import { strict } from '../http/parameters.js'
import { symbolSchema } from '../http/symbol.js'
import type { App } from '../types.js'

const STANDARD_LIMIT = 20
const cursors = createListCursor('listRevisions', z.strictObject({ id: z.int().nonnegative() }))
const EXAMPLE_CURSOR = cursors.encode({ id: 1 }, ['/api/symbols/IBM/revisions', {}])

const revisionSchema = z
  .object({
    id: z.int(),
    symbol: z.string(),
    date: z.string().meta({ format: 'date' }),
    old: barSchema.meta({ description: 'What was stored.' }),
    new: barSchema.meta({ description: 'What it was changed to.' }),
    revised_at: instantSchema,
  })
  .meta({ id: 'Revision' })

const { symbol, date, ...values } = EXAMPLE_BARS[0]

export function revisionRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/symbols/:symbol/revisions',
    {
      schema: {
        tags: ['data'],
        operationId: 'listRevisions',
        summary: 'Restatements: stored values that a later fetch changed, newest first',
        description:
          'Old and new values are kept in the transaction that changes a row. GET /api/financial_data with as_of answers with what was stored at an instant.',
        params: z.object({ symbol: symbolSchema }),
        querystring: strict({
          start_date: dateSchema.optional().meta({ description: 'Inclusive.' }),
          end_date: dateSchema.optional().meta({ description: 'Inclusive.' }),
          ...listParameters({ standard: STANDARD_LIMIT, maximum: 1_000, exampleCursor: EXAMPLE_CURSOR }),
        })
          .refine(isOrdered, UNORDERED)
          .refine(hasOneLimit, TWO_LIMITS)
          .refine(hasOnePlace, PAGE_OR_CURSOR),
        'x-response-headers': { 200: LINK_HEADERS },
        response: {
          200: pageAnswerOf({
            info: symbolListInfoSchema,
            description: 'A page of revisions.',
            entry: revisionSchema,
            examples: [
              {
                id: 1,
                symbol,
                date,
                old: values,
                new: { ...values, close_price: '243.1500' },
                revised_at: '2026-05-18T09:12:48.512Z',
              },
            ],
            pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
          }),
          ...problems(400, 503),
        },
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const filter = { symbol: params.symbol, startDate: query.start_date, endDate: query.end_date }
      const list = await readList(request, reply, {
        standardLimit: STANDARD_LIMIT,
        cursors,
        read: async (part) => {
          const { revisions, ...counted } = await listRevisions(db, filter, part)
          return { entries: revisions, ...counted }
        },
        placeOf: ({ id }) => ({ id }),
      })
      const data = list.entries.map((revision) => ({
        id: revision.id,
        symbol: revision.symbol,
        date: revision.date,
        old: revision.old,
        new: revision.new,
        revised_at: revision.revisedAt,
      }))
      return { data, pagination: list.pagination, info: await infoOfList(db, params.symbol, data) }
    },
  )
}
