import { retryRun } from '@stockpile/db/runs'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { ProblemError } from '../http/problem.js'
import { answerRun, requireRun } from './run-answers.js'
import { answerOf, problems } from '../http/envelope.js'
import { QUEUED_RUN } from './run-examples.js'
import { runIdSchema } from '../http/parameters.js'
import { runSchema } from './run-schema.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

export function retryRoutes(app: App, { db }: Dependencies): void {
  app.post(
    '/api/ingest/:id/retry',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'retryRun',
        summary: 'Try the failed items of a run again',
        description:
          'They get all their attempts back, and the provider is asked even where its answer is known; what succeeded stays. Asked again while they are worked on, it answers the same. A worker takes them up within seconds. It takes no body.',
        params: z.object({ id: runIdSchema }),
        response: {
          202: answerOf({ description: 'The run, which goes on.', data: runSchema, example: QUEUED_RUN }),
          ...problems(400, 404, 409, 413, 415, 503),
        },
      },
    },
    async ({ params }, reply) => {
      if ((await retryRun(db, params.id)) === 'nothing') {
        const detail =
          'Nothing of the run has failed, it was cancelled, or it is being deleted for its age: there is nothing to try again.'
        throw new ProblemError(409, detail, {
          errors: [{ pointer: '/path/id', code: 'nothing_failed', detail }],
        })
      }
      // requireRun answers 404 for an unknown run.
      const run = await requireRun(db, params.id)
      return reply.code(202).send({ data: await answerRun(db, run), info: INFO })
    },
  )
}
