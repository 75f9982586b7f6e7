import { readQuota } from '@stockpile/db/quota-report'
import type { Dependencies } from '../dependencies.js'
import { answerOf, problems } from '../http/envelope.js'
import { QUOTA } from './quota-example.js'
import { strict } from '../http/parameters.js'
import { quotaAnswer, quotaSchema } from './quota-schema.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

export function quotaRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/quota',
    {
      schema: {
        tags: ['quota'],
        operationId: 'getQuota',
        summary: 'The limits of the provider, what is used of them, and what they were spent on',
        description:
          'From the ledger that all workers share: every request that was sent, whichever worker and key sent it.',
        querystring: strict({}),
        response: {
          200: answerOf({ description: 'The quota.', data: quotaSchema, example: QUOTA }),
          ...problems(400, 503),
        },
      },
    },
    async () => ({ data: quotaAnswer(await readQuota(db)), info: INFO }),
  )
}
