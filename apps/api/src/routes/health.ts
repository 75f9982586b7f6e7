import { ping } from '@stockpile/db/connection'
import { PROVIDER_STATUSES, readProviderStatus } from '@stockpile/db/provider-status'
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
const providerCheck = z.enum([...PROVIDER_STATUSES, 'unknown']).meta({
  description:
    'Not asked: what is known of it. waiting_quota: for now a refusal, or the limit of the day, lets nothing be sent. waiting_key: the key is missing or refused; set another one, and see /api/quota. unknown: the database was too slow to say.',
})

export function healthRoutes(app: App, { db, dataDb, queue }: Dependencies): void {
  const lookAtDatabase = createProbe(async () => {
    await Promise.all([ping(db), ping(dataDb)])
    return 'up' as const
  }, DATABASE_DEADLINE_MS)
  const lookAtQueue = createProbe(async () => {
    await pingQueue(queue, QUEUE_DEADLINE_MS)
    return 'up' as const
  }, QUEUE_DEADLINE_MS)
  const lookAtProvider = createProbe(() => readProviderStatus(db), DATABASE_DEADLINE_MS)

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
          'Without the queue, or with a key that the provider refuses, it is degraded, and still ready: data is served, runs are accepted and start once the queue is back or the key was changed. Without the database it is not ready: 503.',
        response: {
          200: answerOf({
            description: 'Ready, or degraded.',
            data: z.object({
              status: z.enum(['ready', 'degraded']),
              checks: z.object({ database: check, queue: check, provider: providerCheck }),
            }),
            example: { status: 'ready', checks: { database: 'up', queue: 'up', provider: 'up' } },
          }),
          ...problems(503),
        },
      },
    },
    async () => {
      const [database, jobs = 'down', provider = 'unknown'] = await Promise.all([
        lookAtDatabase(),
        lookAtQueue(),
        lookAtProvider(),
      ])
      if (database === undefined) throw unavailable('The database')
      const status = jobs === 'down' || provider === 'waiting_key' ? 'degraded' : 'ready'
      return {
        data: { status, checks: { database, queue: jobs, provider } },
        info: INFO,
      } as const
    },
  )
}
