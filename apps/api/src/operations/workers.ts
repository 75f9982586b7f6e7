import { listWorkers } from '@stockpile/db/workers'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { answerOf, problems } from '../http/envelope.js'
import { WORKER } from './worker-schema.js'
import { strict } from '../http/parameters.js'
import { workerAnswer, workerSchema } from './worker-schema.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

export function workerRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/workers',
    {
      schema: {
        tags: ['workers'],
        operationId: 'listWorkers',
        summary: 'The workers that live, and those that were lost',
        description:
          'Each process writes its row when it starts and every 5 s, and deletes it when it stops as it was told to. Lost ones are forgotten after a day.',
        querystring: strict({}),
        response: {
          200: answerOf({
            description: 'In the order in which they started.',
            data: z.array(workerSchema),
            example: [WORKER],
          }),
          ...problems(400, 503),
        },
      },
    },
    async () => ({ data: (await listWorkers(db)).map(workerAnswer), info: INFO }),
  )
}
