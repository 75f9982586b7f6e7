import { listRejectedRows, listRejectedRowsOfRun } from '@stockpile/db/rejected-rows'
import type { QuarantinedRow } from '@stockpile/db/rejected-rows'
import * as z from 'zod'
import { infoOfList, symbolListInfoSchema } from '../http/info.js'
import type { Dependencies } from '../dependencies.js'
import { readList, LINK_HEADERS } from '../http/list-answer.js'
import { createListCursor } from '../http/list-cursor.js'
import { pageAnswerOf, problems } from '../http/envelope.js'
import { hasOneLimit, hasOnePlace, listParameters, PAGE_OR_CURSOR, TWO_LIMITS } from '../http/pagination.js'
import { runIdSchema, strict } from '../http/parameters.js'
import { instantSchema } from '../http/instant.js'
import { symbolSchema } from '../http/symbol.js'
import type { App } from '../types.js'

const STANDARD_LIMIT = 20
const cursors = createListCursor(
  'listRejectedRows',
  z.strictObject({ at: z.int().nonnegative(), id: z.int().nonnegative() }),
)
const runCursors = createListCursor(
  'listRejectedRowsOfRun',
  z.strictObject({ itemId: z.int().nonnegative(), id: z.int().nonnegative() }),
)
const EXAMPLE_CURSOR = cursors.encode({ at: 1_779_095_566_702_000, id: 1 }, ['/api/rejected_rows', {}])

const querySchema = strict({
  run_id: runIdSchema.optional(),
  symbol: symbolSchema.optional(),
  resolved: z
    .enum(['true', 'false'], { error: 'This takes true or false.' })
    .optional()
    .meta({
      description: 'Only those for whose day a sound row came since, or only the others.',
      examples: ['false'],
    }),
  ...listParameters({ standard: STANDARD_LIMIT, maximum: 1_000, exampleCursor: EXAMPLE_CURSOR }),
})
  .refine(hasOneLimit, TWO_LIMITS)
  .refine(hasOnePlace, PAGE_OR_CURSOR)

const rejectedRowSchema = z
  .object({
    id: z.int(),
    run_id: z.string().nullable().meta({
      format: 'uuid',
      description: 'The newest run that brought it; null when that was deleted for its age.',
    }),
    symbol: z.string(),
    date: z.string().nullable().meta({ description: 'null when what stood in its place is no date.' }),
    raw: z.unknown().meta({ description: 'The record as the provider sent it.' }),
    reasons: z.array(z.string()),
    times: z.int().meta({ description: 'How many fetches brought it; it is kept once.' }),
    rejected_at: instantSchema.meta({ description: 'When it came first.' }),
    last_rejected_at: instantSchema.meta({ description: 'When it came last.' }),
    resolved_at: instantSchema
      .nullable()
      .meta({ description: 'When a sound row for that day was stored; null while none was.' }),
  })
  .meta({ id: 'RejectedRow' })

const answerSchema = pageAnswerOf({
  info: symbolListInfoSchema,
  description: 'A page of rejected rows.',
  entry: rejectedRowSchema,
  examples: [
    {
      id: 1,
      run_id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10',
      symbol: 'IBM',
      date: '2023-01-02',
      raw: {
        '2023-01-02': {
          '1. open': '153.0800',
          '2. high': '150.0000',
          '3. low': '152.0100',
          '4. close': '154.5200',
          '5. volume': '62199013',
        },
      },
      reasons: ['high_below_low'],
      times: 2,
      rejected_at: '2026-05-18T09:12:48.512Z',
      last_rejected_at: '2026-05-19T09:12:47.120Z',
      resolved_at: null,
    },
  ],
  pagination: { count: 1, page: 1, limit: STANDARD_LIMIT, pages: 1 },
})

export function rejectedRowRoutes(app: App, { db }: Dependencies): void {
  app.get(
    '/api/rejected_rows',
    {
      schema: {
        tags: ['ingest'],
        operationId: 'listRejectedRows',
        summary:
          "The provider's rows that did not pass the checks, the last rejected first; of a run, its last symbol first",
        description:
          'A row that is rejected again goes to the front, also while somebody walks by cursor: one that this walk had not reached is in the next.',
        querystring: querySchema,
        response: { 200: answerSchema, ...problems(400, 503) },
        'x-response-headers': { 200: LINK_HEADERS },
      },
    },
    async (request, reply) => {
      const { run_id: runId, symbol, resolved } = request.query
      const filter = { symbol, resolved: resolved === undefined ? undefined : resolved === 'true' }
      const list =
        runId === undefined
          ? await readList(request, reply, {
              standardLimit: STANDARD_LIMIT,
              cursors,
              read: async (part) => {
                const { rows, ...counted } = await listRejectedRows(db, { ...filter, ...part })
                return { entries: rows, ...counted }
              },
              placeOf: ({ at, id }) => ({ at, id }),
            })
          : await readList(request, reply, {
              standardLimit: STANDARD_LIMIT,
              cursors: runCursors,
              read: async (part) => {
                const { rows, ...counted } = await listRejectedRowsOfRun(db, runId, { ...filter, ...part })
                return { entries: rows, ...counted }
              },
              placeOf: ({ itemId, id }) => ({ itemId, id }),
            })
      const entries: QuarantinedRow[] = list.entries
      const data = entries.map((row) => ({
        id: row.id,
        run_id: row.runId,
        symbol: row.symbol,
        date: row.date,
        raw: row.raw,
        reasons: row.reasons,
        times: row.times,
        rejected_at: row.rejectedAt,
        last_rejected_at: row.lastRejectedAt,
        resolved_at: row.resolvedAt,
      }))
      return { data, pagination: list.pagination, info: await infoOfList(db, symbol, data) }
    },
  )
}
