import type { Item } from '@stockpile/db/run-items'
import * as z from 'zod'
import { ITEM_OUTCOMES, ITEM_STATES, WARNING_CODES } from '@stockpile/domain/item'
import { FETCHED_OUTPUTSIZES } from '@stockpile/domain/run'
import { WAITING_FOR } from '@stockpile/domain/waiting'
import { instantSchema } from '../http/instant.js'
import { countSchema, rowCountsSchema } from './run-schema.js'

export const itemSchema = z
  .object({
    id: z.int(),
    symbol: z.string(),
    state: z.enum(ITEM_STATES),
    attempts: countSchema.meta({ description: 'Failed attempts.' }),
    outputsize: z
      .enum(FETCHED_OUTPUTSIZES)
      .nullable()
      .meta({ description: 'What was asked of the provider.' }),
    outcome: z.enum(ITEM_OUTCOMES).nullable().meta({
      description:
        'How it succeeded: fetched by a request of its own; coalesced, since another run fetched the symbol meanwhile; up_to_date, since no request could have brought anything new. null until it has.',
    }),
    history_limited: z.boolean().meta({
      description:
        'Only the newest rows were to be had where more was wanted: the full history is not in the plan of the key, or there is none of this symbol.',
    }),
    waiting_for: z.enum(WAITING_FOR).nullable().meta({
      description:
        'Room in the quota, a key that works, a provider that answers, or a database that takes rows; null when it waits for none of these.',
    }),
    waiting_reason: z
      .string()
      .nullable()
      .meta({ description: 'The same in a sentence; null when it waits for none.' }),
    next_attempt_at: instantSchema
      .nullable()
      .meta({ description: 'When a pending item that was taken before is looked at again; else null.' }),
    started_at: instantSchema.nullable(),
    finished_at: instantSchema.nullable(),
    rows: rowCountsSchema,
    warnings: z.array(z.enum(WARNING_CODES)).meta({
      description: 'What should be known of it though it did not fail: see the warnings of the run.',
    }),
    error: z
      .object({ class: z.string(), detail: z.string(), advice: z.string() })
      .nullable()
      .meta({ description: 'Of the newest failed attempt; a later one may have succeeded.' }),
  })
  .meta({ id: 'Item' })

export function itemAnswer(item: Item): z.infer<typeof itemSchema> {
  return {
    id: item.id,
    symbol: item.symbol,
    state: item.state,
    attempts: item.attempts,
    outputsize: item.outputsize,
    outcome: item.outcome,
    history_limited: item.historyLimited,
    waiting_for: item.waitingFor,
    waiting_reason: item.waitingReason,
    next_attempt_at: item.nextAttemptAt,
    started_at: item.startedAt,
    finished_at: item.finishedAt,
    rows: item.rows,
    warnings: item.warnings,
    error: item.error,
  }
}
