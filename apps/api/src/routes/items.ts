import { listItems } from '@stockpile/db/run-status'
import { ITEM_STATES } from '@stockpile/db/schema'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { INFO, pageAnswerOf, problems } from '../schemas/answer.js'
import { FAILED_ITEM } from '../schemas/examples.js'
import { hasOneLimit, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { runIdSchema, strict } from '../schemas/query.js'
import { itemAnswer, itemSchema } from '../schemas/run.js'
import type { App } from '../server.js'
import { requireRun } from './ingest.js'

const STANDARD_LIMIT = 100

const querySchema = strict({
  state: z
    .enum(ITEM_STATES)
    .optional()
    .meta({ description: 'Only items in this state.', examples: ['failed'] }),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
}).refine(hasOneLimit, TWO_LIMITS)

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
    async ({ params, query }) => {
      const page = pageOf(query, STANDARD_LIMIT)
      const { items, count } = await listItems(db, params.id, { ...page, state: query.state })
      // Every run has items: only an empty list may belong to no run.
      if (count === 0) await requireRun(db, params.id)
      return { data: items.map(itemAnswer), pagination: pagination(page, count), info: INFO }
    },
  )
}
