import type { Transaction } from '@stockpile/db/connection'
import type { DispatchableItem } from '@stockpile/db/dispatch'
import { IdempotencyBusyError, IdempotencyMismatchError, oncePerKey } from '@stockpile/db/idempotency'
import { createRun } from '@stockpile/db/runs'
import * as z from 'zod'
import { OUTPUTSIZES, PRIORITIES } from '@stockpile/domain/run'
import type { Dependencies } from '../dependencies.js'
import type { Dispatch } from './dispatch.js'
import { ProblemError } from '../http/problem.js'
import { answerRun, requireRun } from './run-answers.js'
import { answerOf, problems } from '../http/envelope.js'
import { QUEUED_RUN } from './run-examples.js'
import { strict } from '../http/parameters.js'
import { runSchema } from './run-schema.js'
import { symbolSchema } from '../http/symbol.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

const PATH = '/api/ingest'
const ALIAS = '/ingest'
const MAX_SYMBOLS = 10_000

const SYMBOLS_MESSAGE = `symbols is a list of 1 to ${MAX_SYMBOLS} symbols.`
const bodySchema = strict({
  symbols: z
    .array(symbolSchema, SYMBOLS_MESSAGE)
    .min(1, SYMBOLS_MESSAGE)
    .max(MAX_SYMBOLS, SYMBOLS_MESSAGE)
    .meta({ description: 'Trimmed and upper-cased; repeated ones are merged.', examples: [['IBM', 'AAPL']] }),
  outputsize: z.enum(OUTPUTSIZES).default('auto').meta({
    description:
      'compact: the last 100 rows; full: all. auto: compact on the free plan, else full for a symbol without rows, compact otherwise.',
  }),
  force: z.boolean().default(false).meta({
    description:
      'Send a request for each symbol, even where it cannot bring anything new, another run has just fetched it, or the answer is known: a symbol that the provider did not know (invalid_symbol), had no data of (no_data), answered with another (wrong_symbol), in more bytes than any series has (too_large) or without a sound row (all_rows_rejected) is not asked for again within a day, and fails with that class at once.',
  }),
  priority: z
    .enum(PRIORITIES)
    .default('normal')
    .meta({ description: 'high goes before normal before low; within one, what was asked for first.' }),
}).meta({ examples: [{ symbols: ['IBM', 'AAPL'], outputsize: 'compact' }] })

const headersSchema = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7E]{1,255}$/, 'An Idempotency-Key is 1 to 255 printable characters without spaces.')
    .optional()
    .meta({
      description:
        'Makes a repetition harmless: for 24 hours the same key with the same body gets the first answer again, also when both are sent at the same time; with another body 422. 409 when the first is still under way after 5 s.',
      examples: ['nightly-2026-11-22'],
    }),
})

/** Counts the symbols before any of them is checked, so that a body of half a million numbers costs little. */
function refuseTooMany(body: unknown): void {
  const symbols = z.object({ symbols: z.custom<unknown[]>(Array.isArray) }).safeParse(body)
  if (!symbols.success || symbols.data.symbols.length <= MAX_SYMBOLS) return
  const detail = `A run takes at most ${MAX_SYMBOLS} symbols.`
  throw new ProblemError(422, detail, { errors: [{ pointer: '/body/symbols', code: 'too_big', detail }] })
}

export function createRunRoutes(app: App, { db }: Dependencies, dispatch: Dispatch): void {
  for (const url of [PATH, ALIAS]) {
    app.post(
      url,
      {
        preValidation: async ({ body }) => refuseTooMany(body),
        schema: {
          hide: url === ALIAS,
          tags: ['ingest'],
          operationId: 'createRun',
          summary: 'Ask for symbols',
          description:
            'The run is accepted once it is stored, whether or not the queue is up. Its address is in Location; estimated_completion_at says when it will be done. Where no request can bring anything new, none is spent: a run of such symbols alone has succeeded at once. Answers at /ingest too.',
          'x-aliases': [ALIAS],
          headers: headersSchema,
          'x-response-headers': {
            202: {
              Location: {
                description: 'The address of the run.',
                required: true,
                schema: { type: 'string' },
                example: `/api/ingest/${QUEUED_RUN.id}`,
              },
            },
          },
          body: bodySchema,
          response: {
            202: answerOf({ description: 'Accepted.', data: runSchema, example: QUEUED_RUN }),
            ...problems(400, 409, 413, 415, 422, 503),
          },
        },
      },
      async ({ body, headers, log }, reply) => {
        const request = { ...body, symbols: [...new Set(body.symbols)] }
        let items: DispatchableItem[] = []
        const create = async (tx: Transaction) => {
          const created = await createRun(tx, { ...request, trigger: 'api' })
          items = created.items
          // The answer is read before the commit, so that nothing turns the answer of a committed run into a 503.
          return { runId: created.id, answer: await answerRun(tx, await requireRun(tx, created.id)) }
        }
        const key = headers['idempotency-key']
        const { answer: run } =
          key === undefined ? await db.transaction(create) : await once(db, { key, request }, create, recall)
        await dispatch.enqueueItems(items, log)
        log.info({ run: run.id, items: items.length }, 'run accepted')
        return reply.code(202).header('location', `/api/ingest/${run.id}`).send({ data: run, info: INFO })
      },
    )
  }
}

/** @returns the remembered answer, or the run as it is now when another version remembered an answer of another shape */
async function recall(tx: Transaction, { runId, answer }: { runId: string; answer: unknown }) {
  const remembered = runSchema.safeParse(answer)
  return remembered.success ? remembered.data : answerRun(tx, await requireRun(tx, runId))
}

async function once(
  ...args: Parameters<typeof oncePerKey<z.infer<typeof runSchema>>>
): Promise<{ answer: z.infer<typeof runSchema> }> {
  const refusal = (status: number, code: string, detail: string) =>
    new ProblemError(status, detail, { errors: [{ pointer: '/headers/idempotency-key', code, detail }] })
  try {
    return await oncePerKey(...args)
  } catch (error) {
    if (error instanceof IdempotencyMismatchError)
      throw refusal(422, 'key_reused', 'This Idempotency-Key was used for another request within a day.')
    if (error instanceof IdempotencyBusyError)
      throw refusal(409, 'still_under_way', 'The first request with this Idempotency-Key is still under way.')
    throw error
  }
}
