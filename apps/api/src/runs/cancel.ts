import { cancelRun } from '@stockpile/db/runs'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import type { Dispatch } from './dispatch.js'
import { ProblemError } from '../http/problem.js'
import { answerRun, requireRun } from './run-answers.js'
import { answerOf, problems } from '../http/envelope.js'
import { CANCELLED_RUN } from './run-examples.js'
import { runIdSchema } from '../http/parameters.js'
import { runSchema } from './run-schema.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

export function cancelRoutes(app: App, { db }: Dependencies, dispatch: Dispatch): void {
  app.post(
    '/api/ingest/:id/cancel',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'cancelRun',
        summary: 'Cancel a run',
        description:
          'What waits never starts, what runs is stopped; rows stored already stay. Asked again, it answers the same. It takes no body.',
        params: z.object({ id: runIdSchema }),
        response: {
          200: answerOf({ description: 'The run, cancelled.', data: runSchema, example: CANCELLED_RUN }),
          ...problems(400, 404, 409, 413, 415, 503),
        },
      },
    },
    async ({ params, log }) => {
      const outcome = await cancelRun(db, params.id)
      if (outcome === 'finished') {
        const detail = 'The run has finished: there is nothing left to cancel.'
        throw new ProblemError(409, detail, {
          errors: [{ pointer: '/path/id', code: 'run_finished', detail }],
        })
      }
      // requireRun answers 404 for an outcome of 'unknown'.
      const run = await requireRun(db, params.id)
      await dispatch.withdrawCancelled(log)
      return { data: await answerRun(db, run), info: INFO }
    },
  )
}
