import { ping } from '@stockpile/db/connection'
import { pingQueue } from '@stockpile/queue/queue'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { createProbe } from '../probe.js'
import { unavailable } from '../problem.js'
import { answerOf, INFO, problems } from '../schemas/answer.js'
import type { App } from '../server.js'

const DATABASE_DEADLINE_MS = 2_000
const QUEUE_DEADLINE_MS = 1_000

const check = z.enum(['up', 'down'])

export function healthRoutes(app: App, { db, queue }: Dependencies): void {
  const databaseAnswers = createProbe(() => ping(db), DATABASE_DEADLINE_MS)
  const queueAnswers = createProbe(() => pingQueue(queue, QUEUE_DEADLINE_MS), QUEUE_DEADLINE_MS)

  app.get(
    '/healthz',
    {
      schema: {
        tags: ['health'],
        operationId: 'getLiveness',
        summary: 'Liveness: the process answers',
        response: {
          200: answerOf({
            description: 'Alive.',
            data: z.object({ status: z.literal('alive') }),
            example: { status: 'alive' },
          }),
          ...problems(),
        },
      },
    },
    async () => ({ data: { status: 'alive' as const }, info: INFO }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        operationId: 'getReadiness',
        summary: 'Readiness: what the API needs answers',
        description:
          'Without the queue it is degraded, and still ready: data is served, runs are accepted and start once the queue is back. Without the database it is not ready: 503.',
        response: {
          200: answerOf({
            description: 'Ready, or degraded.',
            data: z.object({
              status: z.enum(['ready', 'degraded']),
              checks: z.object({ database: check, queue: check }),
            }),
            example: { status: 'ready', checks: { database: 'up', queue: 'up' } },
          }),
          ...problems(503),
        },
      },
    },
    async () => {
      const [database, jobs] = await Promise.all([databaseAnswers(), queueAnswers()])
      if (!database) throw unavailable('The database')
      return {
        data: {
          status: jobs ? ('ready' as const) : ('degraded' as const),
          checks: { database: 'up' as const, queue: jobs ? ('up' as const) : ('down' as const) },
        },
        info: INFO,
      }
    },
  )
}
