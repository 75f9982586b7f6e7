import { RUN_STATUSES } from '@stockpile/db/run-status'
import type { Item, Run } from '@stockpile/db/run-status'
import * as z from 'zod'

export const ITEM_STATES = ['pending', 'running', 'succeeded', 'failed', 'cancelled'] as const
export const OUTPUTSIZES = ['auto', 'compact', 'full'] as const
export const PRIORITIES = ['high', 'normal', 'low'] as const

const instantSchema = z.string().meta({ format: 'date-time' })
const countSchema = z.int().min(0)

const rowCountsSchema = z
  .object({
    fetched: countSchema,
    inserted: countSchema,
    updated: countSchema,
    unchanged: countSchema,
    rejected: countSchema,
    provisional: countSchema,
  })
  .meta({
    description: 'fetched is the sum of the others; provisional bars are of an open session, and not stored.',
  })

export const runSchema = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    status: z.enum(RUN_STATUSES),
    trigger: z.enum(['api', 'start']),
    requested_at: instantSchema,
    finished_at: instantSchema.nullable(),
    counts: z
      .object({ total: countSchema, ...perState() })
      .meta({ description: 'Items, one a symbol, by state.' }),
    rows: rowCountsSchema,
    estimated_completion_at: instantSchema
      .nullable()
      .meta({ description: 'null when there is no forecast.' }),
    outputsize: z.enum(OUTPUTSIZES),
    force: z.boolean(),
    priority: z.enum(PRIORITIES),
    failures: z
      .array(z.object({ class: z.string(), count: countSchema }))
      .meta({ description: 'Why items ended failed, by class.' }),
  })
  .meta({ id: 'Run' })

function perState() {
  return {
    pending: countSchema,
    running: countSchema,
    succeeded: countSchema,
    failed: countSchema,
    cancelled: countSchema,
  } satisfies Record<(typeof ITEM_STATES)[number], z.ZodType>
}

export function runAnswer(run: Run): z.infer<typeof runSchema> {
  return {
    id: run.id,
    status: run.status,
    trigger: run.trigger,
    requested_at: run.requestedAt,
    finished_at: run.finishedAt,
    counts: run.counts,
    rows: run.rows,
    estimated_completion_at: null,
    outputsize: run.outputsize,
    force: run.force,
    priority: run.priority,
    failures: run.failures,
  }
}

export const itemSchema = z.object({
  id: z.int(),
  symbol: z.string(),
  state: z.enum(ITEM_STATES),
  attempts: countSchema.meta({ description: 'Failed attempts.' }),
  outputsize: z.enum(['compact', 'full']).nullable().meta({ description: 'What was asked of the provider.' }),
  waiting_for: z.enum(['quota', 'key']).nullable(),
  next_attempt_at: instantSchema.nullable(),
  started_at: instantSchema.nullable(),
  finished_at: instantSchema.nullable(),
  rows: rowCountsSchema,
  error: z
    .object({ class: z.string(), detail: z.string(), advice: z.string() })
    .nullable()
    .meta({ description: 'Of the newest failed attempt; a later one may have succeeded.' }),
})

export function itemAnswer(item: Item): z.infer<typeof itemSchema> {
  return {
    id: item.id,
    symbol: item.symbol,
    state: item.state,
    attempts: item.attempts,
    outputsize: item.outputsize,
    waiting_for: item.waitingFor,
    next_attempt_at: item.nextAttemptAt,
    started_at: item.startedAt,
    finished_at: item.finishedAt,
    rows: item.rows,
    error: item.error,
  }
}
