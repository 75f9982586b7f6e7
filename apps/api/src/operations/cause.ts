import type { Cause } from '@stockpile/domain/cause'
import * as z from 'zod'
import { RUN_WAITING_FOR } from '@stockpile/domain/waiting'
import { instantSchema } from '../http/instant.js'

/** The fields of a cause that the quota and readiness both have. */
export const causeMembers = {
  class: z.string().meta({
    description:
      'Of the cause, for programs: no_worker, worker_lost, queue_down, missing_key, the class of a failure or refusal.',
  }),
  since: instantSchema.nullable().meta({ description: 'null where nobody can say.' }),
  detail: z.string().meta({ description: 'A sentence.' }),
  advice: z.string().meta({ description: 'What a person should do.' }),
}

export const causeSchema = z
  .object({
    for: z.enum(RUN_WAITING_FOR).meta({
      description:
        'What all runs wait for: a worker, while none lives; a database that takes rows; a queue that gives and takes jobs; a key that works; a provider that answers; room in the quota.',
    }),
    ...causeMembers,
    until: instantSchema
      .nullable()
      .meta({ description: 'When it is looked at again; null: nobody can say.' }),
  })
  .meta({ id: 'Cause' })

export function causeAnswer({ for: what, class: kind, since, detail, advice, until }: Cause) {
  return { for: what, class: kind, since, detail, advice, until } satisfies z.infer<typeof causeSchema>
}
