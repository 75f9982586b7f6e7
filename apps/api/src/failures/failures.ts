import { groupFailures, listFailures } from '@stockpile/db/failures'
import type { FailureGroup } from '@stockpile/db/failures'
import * as z from 'zod'
import { infoOfList, symbolListInfoSchema } from '../http/info.js'
import type { Dependencies } from '../dependencies.js'
import { readList, LINK_HEADERS } from '../http/list-answer.js'
import { createListCursor } from '../http/list-cursor.js'
import { pageAnswerOf, problems } from '../http/envelope.js'
import {
  hasOneLimit,
  hasOnePlace,
  listParameters,
  PAGE_OR_CURSOR,
  pageOf,
  pagination,
  TWO_LIMITS,
} from '../http/pagination.js'
import { instantSchema, instantParameter } from '../http/instant.js'
import { runIdSchema, strict } from '../http/parameters.js'
import { symbolSchema } from '../http/symbol.js'
import type { App } from '../types.js'

const STANDARD_LIMIT = 20
const cursors = createListCursor(
  'listFailures',
  z.strictObject({ at: z.int().nonnegative(), id: z.int().nonnegative() }),
)
const EXAMPLE_CURSOR = cursors.encode({ at: 1_779_095_566_702_000, id: 1 }, ['/api/failures', {}])

const querySchema = strict({
  run_id: runIdSchema.optional(),
  symbol: symbolSchema.optional(),
  class: z
    .string()
    .regex(/^[a-z_]{1,64}$/, 'A class of failures is up to 64 small letters and _.')
    .optional()
    .meta({ description: 'Of the failure.', examples: ['invalid_symbol'] }),
  from: instantParameter.optional().meta({ description: 'Failed then or later.' }),
  until: instantParameter.optional().meta({ description: 'Failed before then.' }),
  group_by: z
    .enum(['class'], { error: 'This takes class.' })
    .optional()
    .meta({
      description: 'One entry a class with its counts: what failed in one outage is one line.',
      examples: ['class'],
    }),
  ...listParameters({ standard: STANDARD_LIMIT, maximum: 1_000, exampleCursor: EXAMPLE_CURSOR }),
})
  .refine(hasOneLimit, TWO_LIMITS)
  .refine(hasOnePlace, PAGE_OR_CURSOR)
  .refine(({ group_by, cursor }) => group_by === undefined || cursor === undefined, {
    path: ['cursor'],
    error: 'Classes are few: they have pages alone.',
  })

const failureSchema = z
  .object({
    id: z.int(),
    run_id: z.string().meta({ format: 'uuid' }),
    symbol: z.string(),
    attempt: z
      .int()
      .meta({ description: 'From 1; 0 when the answer was known already, and nothing was asked.' }),
    final: z.boolean().meta({ description: 'Whether the item ended with it.' }),
    class: z.string(),
    detail: z.string(),
    advice: z.string().meta({ description: 'What a person should do.' }),
    http_status: z.int().nullable(),
    evidence: z.string().nullable().meta({ description: 'What the provider answered, without the key.' }),
    failed_at: z.string().meta({ format: 'date-time' }),
  })
  .meta({ id: 'Failure' })

const groupSchema = z
  .object({
    class: z.string(),
    attempts: z.int().meta({ description: 'Failed attempts of this class.' }),
    symbols: z.int().meta({ description: 'How many symbols they were for.' }),
    final: z.int().meta({ description: 'Attempts with which an item ended.' }),
    advice: z.string().meta({ description: 'What a person should do.' }),
    example: z.string().meta({ description: 'The detail of the newest.' }),
    first_failed_at: instantSchema,
    last_failed_at: instantSchema,
  })
  .meta({ id: 'FailureGroup' })

const answerSchema = pageAnswerOf({
  info: symbolListInfoSchema,
  description: 'A page of failed attempts, or with group_by a page of their classes.',
  entry: z.union([failureSchema, groupSchema]),
  examples: [
    {
      id: 1,
      run_id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10',
      symbol: 'NOSUCH',
      attempt: 1,
      final: true,
      class: 'invalid_symbol',
      detail: 'NOSUCH: Alpha Vantage does not know this symbol.',
      advice: 'Check it with a symbol search.',
      http_status: 200,
      evidence: '{"Error Message": "Invalid API call. Please retry or visit the documentation"}',
      failed_at: '2026-05-18T09:12:46.702Z',
    },
  ],
  pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
})

export function failureListRoutes(app: App, { db, heavy }: Dependencies): void {
  app.get(
    '/api/failures',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listFailures',
        summary: 'Failed attempts, newest first',
        querystring: querySchema,
        response: { 200: answerSchema, ...problems(400, 429, 503) },
        'x-response-headers': { 200: LINK_HEADERS },
      },
    },
    async (request, reply) => {
      const { query } = request
      const { symbol, from, until } = query
      const filter = { runId: query.run_id, symbol, class: query.class, from, until }
      if (query.group_by !== undefined) {
        const page = pageOf(query, STANDARD_LIMIT)
        const groups = await heavy.run(request, (heavyDb) => groupFailures(heavyDb, filter))
        const shown = groups.slice(page.offset, page.offset + page.limit).map(groupAnswer)
        return {
          data: shown,
          pagination: pagination(page, groups.length),
          info: await infoOfList(db, symbol, groups),
        }
      }
      const list = await readList(request, reply, {
        standardLimit: STANDARD_LIMIT,
        cursors,
        read: async (part) => {
          const { failures, ...counted } = await listFailures(db, { ...filter, ...part })
          return { entries: failures, ...counted }
        },
        placeOf: ({ at, id }) => ({ at, id }),
      })
      const data = list.entries.map((failure) => ({
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
      return { data, pagination: list.pagination, info: await infoOfList(db, symbol, data) }
    },
  )
}

function groupAnswer(group: FailureGroup): z.infer<typeof groupSchema> {
  return {
    class: group.class,
    attempts: group.attempts,
    symbols: group.symbols,
    final: group.final,
    advice: group.advice,
    example: group.example,
    first_failed_at: group.firstFailedAt,
    last_failed_at: group.lastFailedAt,
  }
}
