import { listItems } from '@stockpile/db/run-items'
import * as z from 'zod'
import { ITEM_STATES } from '@stockpile/domain/item'
import type { Dependencies } from '../dependencies.js'
import { readList, LINK_HEADERS } from '../http/list-answer.js'
import { createListCursor } from '../http/list-cursor.js'
import { pageAnswerOf, problems } from '../http/envelope.js'
import { FAILED_ITEM } from './run-examples.js'
import { hasOneLimit, hasOnePlace, listParameters, PAGE_OR_CURSOR, TWO_LIMITS } from '../http/pagination.js'
import { runIdSchema, strict } from '../http/parameters.js'
import { itemAnswer, itemSchema } from './item-schema.js'
import { requireRun } from './run-answers.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

const STANDARD_LIMIT = 100
const cursors = createListCursor('listItems', z.strictObject({ id: z.int().nonnegative() }))
const EXAMPLE_CURSOR = cursors.encode({ id: 1 }, [
  '/api/ingest/01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10/items',
  {},
])

const querySchema = strict({
  state: z
    .enum(ITEM_STATES)
    .optional()
    .meta({ description: 'Only items in this state.', examples: ['failed'] }),
  ...listParameters({ standard: STANDARD_LIMIT, maximum: 1_000, exampleCursor: EXAMPLE_CURSOR }),
})
  .refine(hasOneLimit, TWO_LIMITS)
  .refine(hasOnePlace, PAGE_OR_CURSOR)

export function itemRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/ingest/:id/items',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listItems',
        summary: "A run's items, one a symbol, in the order of the request",
        params: z.object({ id: runIdSchema }),
        querystring: querySchema,
        'x-response-headers': { 200: LINK_HEADERS },
        response: {
          200: pageAnswerOf({
            description: 'A page of items.',
            entry: itemSchema,
            examples: [FAILED_ITEM],
            pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
          }),
          ...problems(400, 404, 503),
        },
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const { entries, pagination } = await readList(request, reply, {
        standardLimit: STANDARD_LIMIT,
        cursors,
        read: async (part) => {
          const { items, ...counted } = await listItems(db, params.id, { ...part, state: query.state })
          // Every run has items, so that only an empty list may be of a run that does not exist.
          if (items.length === 0) await requireRun(db, params.id)
          return { entries: items, ...counted }
        },
        placeOf: ({ id }) => ({ id }),
      })
      return { data: entries.map(itemAnswer), pagination, info: INFO }
    },
  )
}
