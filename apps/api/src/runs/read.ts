import { listRuns } from '@stockpile/db/run-status'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { readList, LINK_HEADERS } from '../http/list-answer.js'
import { createListCursor } from '../http/list-cursor.js'
import { answerRun, answerRuns, requireRun } from './run-answers.js'
import { answerOf, pageAnswerOf, problems } from '../http/envelope.js'
import { FINISHED_RUN } from './run-examples.js'
import { hasOneLimit, hasOnePlace, listParameters, PAGE_OR_CURSOR, TWO_LIMITS } from '../http/pagination.js'
import { runIdSchema, strict } from '../http/parameters.js'
import { runSchema } from './run-schema.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

const STANDARD_LIMIT = 20
const cursors = createListCursor('listRuns', z.strictObject({ at: z.int().nonnegative(), id: z.uuid() }))
const EXAMPLE_CURSOR = cursors.encode(
  { at: 1_779_095_566_702_000, id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10' },
  ['/api/ingest', {}],
)

/** Reads runs: a page of all, and one by its id. */
export function readRunRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/ingest',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listRuns',
        summary: 'Runs, newest first',
        querystring: strict(
          listParameters({ standard: STANDARD_LIMIT, maximum: 100, exampleCursor: EXAMPLE_CURSOR }),
        )
          .refine(hasOneLimit, TWO_LIMITS)
          .refine(hasOnePlace, PAGE_OR_CURSOR),
        'x-response-headers': { 200: LINK_HEADERS },
        response: {
          200: pageAnswerOf({
            description: 'A page of runs.',
            entry: runSchema,
            examples: [FINISHED_RUN],
            pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
          }),
          ...problems(400, 503),
        },
      },
    },
    async (request, reply) => {
      const { entries, pagination } = await readList(request, reply, {
        standardLimit: STANDARD_LIMIT,
        cursors,
        read: async (part) => {
          const { runs, ...counted } = await listRuns(db, part)
          return { entries: runs, ...counted }
        },
        placeOf: ({ at, id }) => ({ at, id }),
      })
      return { data: await answerRuns(db, entries), pagination, info: INFO }
    },
  )

  app.get(
    '/api/ingest/:id',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'getRun',
        summary: 'One run',
        params: z.object({ id: runIdSchema }),
        response: {
          200: answerOf({ description: 'The run.', data: runSchema, example: FINISHED_RUN }),
          ...problems(400, 404, 503),
        },
      },
    },
    async ({ params }) => ({
      data: await answerRun(db, await requireRun(db, params.id)),
      info: INFO,
    }),
  )
}
