import { listFailures } from '@stockpile/db/failures'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { INFO, pageAnswerOf, problems } from '../schemas/answer.js'
import { hasOneLimit, pageOf, pageParameters, pagination, TWO_LIMITS } from '../schemas/pagination.js'
import { runIdSchema, strict } from '../schemas/query.js'
import { symbolSchema } from '../schemas/symbol.js'
import type { App } from '../server.js'

const STANDARD_LIMIT = 20

const querySchema = strict({
  run_id: runIdSchema.optional(),
  symbol: symbolSchema.optional(),
  class: z
    .string()
    .regex(/^[a-z_]{1,64}$/, 'A class of failures is up to 64 small letters and _.')
    .optional()
    .meta({ description: 'Of the failure.', examples: ['invalid_symbol'] }),
  ...pageParameters({ standard: STANDARD_LIMIT, maximum: 1_000 }),
}).refine(hasOneLimit, TWO_LIMITS)

const failureSchema = z.object({
  id: z.int(),
  run_id: z.string().meta({ format: 'uuid' }),
  symbol: z.string(),
  attempt: z.int().meta({ description: 'From 1.' }),
  final: z.boolean().meta({ description: 'Whether the item ended with it.' }),
  class: z.string(),
  detail: z.string(),
  advice: z.string().meta({ description: 'What a person should do.' }),
  http_status: z.int().nullable(),
  evidence: z.string().nullable().meta({ description: 'What the provider answered, without the key.' }),
  failed_at: z.string().meta({ format: 'date-time' }),
})

const answerSchema = pageAnswerOf({
  description: 'A page of failed attempts.',
  entry: failureSchema,
  examples: [
    {
      id: 1,
      run_id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10',
      symbol: 'NOSUCH',
      attempt: 1,
      final: true,
      class: 'invalid_symbol',
      detail: 'NOSUCH: Alpha Vantage does not know this symbol, or not with this outputsize.',
      advice: 'Check it with a symbol search, or try compact.',
      http_status: 200,
      evidence: '{"Error Message": "Invalid API call. Please retry or visit the documentation"}',
      failed_at: '2026-05-18T09:12:46.702Z',
    },
  ],
  pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
})

export function failureRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/failures',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listFailures',
        summary: 'Failed attempts, newest first',
        querystring: querySchema,
        response: { 200: answerSchema, ...problems(400, 503) },
      },
    },
    async ({ query }) => {
      const page = pageOf(query, STANDARD_LIMIT)
      const filter = { ...page, runId: query.run_id, symbol: query.symbol, class: query.class }
      const { failures, count } = await listFailures(db, filter)
      const data = failures.map((failure) => ({
        id: failure.id,
        run_id: failure.runId,
        symbol: failure.symbol,
        attempt: failure.attempt,
        final: failure.final,
        class: failure.class,
        detail: failure.detail,
        advice: failure.advice,
        http_status: failure.httpStatus,
        evidence: failure.evidence,
        failed_at: failure.failedAt,
      }))
      return { data, pagination: pagination(page, count), info: INFO }
    },
  )
}
