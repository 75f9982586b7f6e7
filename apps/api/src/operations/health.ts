import { readCauses } from '@stockpile/db/causes'
import { ping } from '@stockpile/db/connection'
import { QUEUE_DOWN, queueProblem } from '@stockpile/queue/health'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { answerOf, problems } from '../http/envelope.js'
import { INFO } from '../http/info.js'
import { unavailable } from '../http/problem.js'
import { createProbe } from './probe.js'
import { checksSchema, FirstSeen, readinessCauseSchema, readinessOf } from './readiness.js'
import type { App } from '../types.js'

const DATABASE_DEADLINE_MS = 2_000
const QUEUE_DEADLINE_MS = 2_000

export function healthRoutes(app: App, { db, dataDb, queue }: Dependencies): void {
  const lookAtDatabase = createProbe(async () => {
    await Promise.all([ping(db), ping(dataDb)])
    return 'up' as const
  }, DATABASE_DEADLINE_MS)
  const lookAtQueue = createProbe(() => queueProblem(queue, QUEUE_DEADLINE_MS), QUEUE_DEADLINE_MS)
  const lookForCauses = createProbe(() => readCauses(db), DATABASE_DEADLINE_MS)
  const seen = new FirstSeen()

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
          'Degraded, it is still ready: data is served, and what keeps work from going on is under causes, since when and what to do. A spent quota is no fault: it is told, and the status ready. Without the database it is not ready: 503.',
        response: {
          200: answerOf({
            description: 'Ready, or degraded.',
            data: z.object({
              status: z.enum(['ready', 'degraded']),
              checks: checksSchema,
              causes: z.array(readinessCauseSchema).meta({
                description: 'Why checks are not up, first what a person has to do something about first.',
              }),
            }),
            example: {
              status: 'degraded',
              checks: { database: 'up', queue: 'up', workers: 'lost', storage: 'up', provider: 'unknown' },
              causes: [
                {
                  check: 'workers',
                  class: 'worker_lost',
                  since: '2026-05-19T09:30:11.412Z',
                  detail: 'No worker lives: the last was seen at 2026-05-19T09:30:11.412Z.',
                  advice:
                    'It was killed, is frozen or cannot reach the database: look at the end of its log, and start it again. Work goes on by itself once a worker lives.',
                },
              ],
            },
          }),
          ...problems(503),
        },
      },
    },
    async () => {
      const [database, problem = QUEUE_DOWN, found] = await Promise.all([
        lookAtDatabase(),
        lookAtQueue(),
        lookForCauses(),
      ])
      if (database === undefined) throw unavailable('The database')
      const { status, checks, causes } = readinessOf(found, problem)
      return {
        data: { status, checks, causes: seen.stamp(causes) },
        info: INFO,
      }
    },
  )
}
