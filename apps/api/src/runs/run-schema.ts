import type { Estimate } from '@stockpile/db/run-forecast'
import type { Run } from '@stockpile/db/run-status'
import * as z from 'zod'
import type { ItemState } from '@stockpile/domain/item'
import { WARNING_CODES } from '@stockpile/domain/item'
import { OUTPUTSIZES, PRIORITIES, RUN_STATUSES, RUN_TRIGGERS } from '@stockpile/domain/run'
import { RUN_WAITING_FOR } from '@stockpile/domain/waiting'
import { instantSchema } from '../http/instant.js'

export const countSchema = z.int().min(0)

export const rowCountsSchema = z
  .object({
    fetched: countSchema,
    inserted: countSchema,
    updated: countSchema,
    unchanged: countSchema,
    rejected: countSchema,
    provisional: countSchema,
  })
  .meta({
    id: 'RowCounts',
    description: 'fetched is the sum of the others; provisional bars are of an open session, and not stored.',
  })

export const runSchema = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    status: z.enum(RUN_STATUSES).meta({
      description:
        'waiting_quota: for room in the quota; blocked: for something else, which waiting names. Both go on by themselves. partial: something failed, or a symbol lacks its newest row: failures and warnings say why.',
    }),
    trigger: z.enum(RUN_TRIGGERS),
    requested_at: instantSchema,
    finished_at: instantSchema.nullable(),
    counts: z
      .object({ total: countSchema, ...perState() })
      .meta({ description: 'Items, one a symbol, by state.' }),
    rows: rowCountsSchema,
    estimated_completion_at: instantSchema.nullable().meta({
      description:
        'When the last request of the run will have been sent, from the limits, what was spent of them, and the runs that go first. null when it is finished, and while nobody can say: see no_estimate_because.',
    }),
    no_estimate_because: z.string().nullable().meta({
      description:
        'Why an unfinished run has no estimate, in a sentence: it waits for something whose end nobody knows, or nothing is sent and nothing says why. Else null.',
    }),
    waiting: z
      .object({
        for: z.enum(RUN_WAITING_FOR).meta({
          description:
            'Room in the quota, a key that works, a provider that answers, a queue that gives and takes jobs, a database that takes rows, or a worker, while none lives. Of several what a person has to do something about first.',
        }),
        class: z.string().nullable().meta({
          description:
            'Of the cause, as under causes of /readyz; null for the short limits of the quota, within which work goes on.',
        }),
        reason: z.string().meta({ description: 'A sentence.' }),
        since: instantSchema.nullable().meta({ description: 'null where nobody can say.' }),
        until: instantSchema
          .nullable()
          .meta({ description: 'When it is looked at again, no attempt is spent; null: nobody can say.' }),
        advice: z
          .string()
          .nullable()
          .meta({ description: 'What a person should do; null where that is nothing.' }),
      })
      .nullable()
      .meta({ description: 'Why nothing of it is sent; null while some of it may go on.' }),
    outputsize: z.enum(OUTPUTSIZES),
    force: z.boolean(),
    priority: z.enum(PRIORITIES),
    failures: z
      .array(z.object({ class: z.string(), count: countSchema }))
      .meta({ description: 'Why items ended failed, by class.' }),
    warnings: z
      .array(
        z.object({
          code: z.enum(WARNING_CODES),
          detail: z.string().meta({ description: 'A sentence, of one symbol as an example.' }),
          symbols: z.array(z.string()).meta({ description: 'The first 100, in the order of the request.' }),
        }),
      )
      .meta({
        description:
          'What should be known of items that did not fail. newest_row_rejected and nothing_stored: the symbol lacks what the provider has, so the run is partial and the symbol is asked for again; restated: at least five stored days, and a tenth of those that came again, changed at once; rejected_rows_not_kept: of one answer 1,000 rejected rows are kept.',
      }),
  })
  .meta({ id: 'Run' })

function perState() {
  return {
    pending: countSchema,
    running: countSchema,
    succeeded: countSchema,
    failed: countSchema,
    cancelled: countSchema,
  } satisfies Record<ItemState, z.ZodType>
}

export function runAnswer(run: Run, estimate: Estimate): z.infer<typeof runSchema> {
  return {
    id: run.id,
    status: run.status,
    trigger: run.trigger,
    requested_at: run.requestedAt,
    finished_at: run.finishedAt,
    counts: run.counts,
    rows: run.rows,
    estimated_completion_at: estimate.at,
    no_estimate_because: estimate.unknownBecause,
    waiting: run.waiting,
    outputsize: run.outputsize,
    force: run.force,
    priority: run.priority,
    failures: run.failures,
    warnings: run.warnings,
  }
}
