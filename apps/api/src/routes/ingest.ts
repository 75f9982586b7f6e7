import { createRun } from '@stockpile/db/runs'
import { getRun, listRuns } from '@stockpile/db/run-status'
import { OUTPUTSIZES, PRIORITIES } from '@stockpile/db/schema'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { ProblemError } from '../problem.js'
import { answerRun, answerRuns } from '../run-answers.js'
import { answerOf, INFO, pageAnswerOf, problems } from '../schemas/answer.js'
import { FINISHED_RUN, QUEUED_RUN } from '../schemas/examples.js'
import { hasOneLimit, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { runIdSchema, strict } from '../schemas/query.js'
import { runSchema } from '../schemas/run.js'
import { symbolSchema } from '../schemas/symbol.js'
import type { App } from '../server.js'

const MAX_SYMBOLS = 10_000
const STANDARD_LIMIT = 20

const SYMBOLS_MESSAGE = `symbols is a list of 1 to ${MAX_SYMBOLS} symbols.`
const bodySchema = strict({
  symbols: z
    .array(symbolSchema, SYMBOLS_MESSAGE)
    .min(1, SYMBOLS_MESSAGE)
    .max(MAX_SYMBOLS, SYMBOLS_MESSAGE)
    .meta({ description: 'Trimmed and upper-cased; repeated ones are merged.', examples: [['IBM', 'AAPL']] }),
  outputsize: z.enum(OUTPUTSIZES).default('auto').meta({
    description:
      'compact: the last 100 days; full: all. auto: compact on the free plan, else full for a symbol without rows, compact otherwise.',
  }),
  force: z.boolean().default(false).meta({
    description:
      'Send a request for each symbol, even where it cannot bring anything new or another run has just fetched it.',
  }),
  priority: z
    .enum(PRIORITIES)
    .default('normal')
    .meta({ description: 'high goes before normal before low; within one, what was asked for first.' }),
}).meta({ examples: [{ symbols: ['IBM', 'AAPL'], outputsize: 'compact' }] })

/** Counted before each symbol is looked at, so that a body of half a million numbers costs nothing. */
function refuseTooMany(body: unknown): void {
  const symbols = z.object({ symbols: z.custom<unknown[]>(Array.isArray) }).safeParse(body)
  if (!symbols.success || symbols.data.symbols.length <= MAX_SYMBOLS) return
  const detail = `A run takes at most ${MAX_SYMBOLS} symbols.`
  throw new ProblemError(422, detail, { errors: [{ pointer: '/body/symbols', code: 'too_big', detail }] })
}

export function ingestRoutes(app: App, { db, dispatch }: Dependencies): void {
  for (const url of ['/api/ingest', '/ingest']) {
    app.post(
      url,
      {
        preValidation: async ({ body }) => refuseTooMany(body),
        schema: {
          hide: !url.startsWith('/api/'),
          tags: ['ingest'],
          operationId: 'createRun',
          summary: 'Ask for symbols',
          description:
            'The run is accepted once it is stored, whether or not the queue is up. Its address is in Location; estimated_completion_at says when it will be done. Where no request can bring anything new, none is spent: a run of such symbols alone has succeeded at once. Answers at /ingest too.',
          body: bodySchema,
          response: {
            202: answerOf({ description: 'Accepted.', data: runSchema, example: QUEUED_RUN }),
            ...problems(400, 413, 415, 422, 503),
          },
        },
      },
      async ({ body, log }, reply) => {
        const { symbols, ...request } = body
        // Read before the commit: once the run is committed, nothing can turn its answer into a 503.
        const { run, items } = await db.transaction(async (tx) => {
          const created = await createRun(tx, { ...request, trigger: 'api', symbols: [...new Set(symbols)] })
          return { run: await answerRun(tx, await requireRun(tx, created.id)), items: created.items }
        })
        await dispatch.enqueueItems(items, log)
        log.info({ run: run.id, items: items.length }, 'run accepted')
        return reply.code(202).header('location', `/api/ingest/${run.id}`).send({ data: run, info: INFO })
      },
    )
  }

  app.get(
    '/api/ingest',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listRuns',
        summary: 'Runs, newest first',
        querystring: strict(pageParameters({ standard: STANDARD_LIMIT, maximum: 100 })).refine(
          hasOneLimit,
          TWO_LIMITS,
        ),
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
    async ({ query }) => {
      const page = pageOf(query, STANDARD_LIMIT)
      const { runs, count } = await listRuns(db, page)
      return { data: await answerRuns(db, runs), pagination: pagination(page, count), info: INFO }
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

/** @throws ProblemError 404 */
export async function requireRun(db: Dependencies['db'], id: string) {
  const run = await getRun(db, id)
  if (run === null) throw new ProblemError(404, 'There is no run with this id.')
  return run
}
