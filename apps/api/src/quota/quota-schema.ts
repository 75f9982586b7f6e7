import { KEY_ADVICE } from '@stockpile/db/causes'
import { limitsText } from '@stockpile/db/limits'
import type { Quota } from '@stockpile/db/quota-report'
import * as z from 'zod'
import { LIMIT_NAMES } from '@stockpile/domain/limit'
import { causeAnswer, causeSchema } from '../operations/cause.js'
import { instantSchema } from '../http/instant.js'

const countSchema = z.int().min(0)
const accessStateSchema = z.enum(['accepted', 'refused', 'undecided'])
const retrySchema = instantSchema
  .nullable()
  .meta({ description: 'When it is asked for again, unless the key changes before; null unless refused.' })

const limitSchema = z
  .object({
    name: z.enum(LIMIT_NAMES),
    max: countSchema.meta({ description: 'Requests in any window of this length.' }),
    window_seconds: z.number(),
    used: countSchema.meta({
      description:
        'Requests in the window that ends now and its safety margin; more than max after a change of plan.',
    }),
    remaining: countSchema,
    next_frees_at: instantSchema
      .nullable()
      .meta({ description: 'When this limit lets the next request through; null: now.' }),
  })
  .meta({ id: 'QuotaLimit' })

const accessSchema = z
  .object({
    function: z.string(),
    outputsize: z.string(),
    state: accessStateSchema,
    class: z.string().nullable().meta({ description: 'Of the newest refusal; null when there is none.' }),
    detail: z.string().nullable().meta({ description: 'The same in a sentence.' }),
    retry_at: retrySchema,
    decided_at: instantSchema.nullable().meta({ description: 'null before the first answer.' }),
  })
  .meta({ id: 'KeyAccess' })

const keySchema = z
  .object({
    fingerprint: z.string().nullable().meta({
      description:
        'Tells keys apart, and is no part of one: the first 8 hex digits of its SHA-256. null when there never was one.',
    }),
    state: z.enum([...accessStateSchema.options, 'missing']).meta({
      description:
        'missing: a worker waits for a key; the rest is of the one before. refused: nothing is sent but, at retry_at, one request that asks again. undecided: no request was answered yet.',
    }),
    class: z.string().nullable().meta({ description: 'invalid_key or demo_key; null unless refused.' }),
    detail: z.string().nullable().meta({ description: 'What is wrong with it; null unless refused.' }),
    advice: z
      .string()
      .nullable()
      .meta({ description: 'What a person should do; null unless missing or refused.' }),
    retry_at: retrySchema,
    access: z
      .array(accessSchema)
      .meta({ description: 'What the provider was asked for with this key, and whether it may have it.' }),
  })
  .meta({ id: 'Key' })

export const quotaSchema = z
  .object({
    plan: z.string().nullable().meta({
      description:
        'Of the living worker that can send and whose plan allows most, as are limits and key; while none lives, what one started with last; null before any worker ever did. Each worker by itself: /api/workers.',
    }),
    living_plans: z.array(z.string()).meta({ description: 'The different plans of the workers that live.' }),
    limits: z.array(limitSchema).meta({
      description:
        'Those in force, for all workers and keys together; a daily limit that the provider stated replaces a higher one of the plan. Empty before any worker ever started.',
    }),
    blocked: z.object({ class: z.string(), detail: z.string(), until: instantSchema }).nullable().meta({
      description:
        'A refusal for a limit, by which the provider overruled the limits above: nothing is sent until then. null when there is none.',
    }),
    contradiction: z.string().nullable().meta({
      description:
        'How the limits that the provider stated differ from the plan, and what to check; null when they do not.',
    }),
    key: keySchema.nullable().meta({
      description:
        'The key of that worker, or the one that was used last; null before there was one, unless a worker waits for it.',
    }),
    items_waiting: countSchema.meta({
      description: 'Unfinished items of all runs, those in flight included.',
    }),
    backlog_done_at: instantSchema.nullable().meta({
      description:
        'When the last of their requests will have been sent, if each takes the first slot; now when there are none. null while nobody can say: see no_estimate_because.',
    }),
    no_estimate_because: z
      .string()
      .nullable()
      .meta({ description: 'Why backlog_done_at is null, in a sentence; else null.' }),
    causes: z.array(causeSchema).meta({
      description:
        'Why nothing is sent at the moment, first what a person has to do something about first; empty while something may be. What holds up one worker while others go on is under /api/workers.',
    }),
    requests: z
      .array(
        z.object({
          day: z.string().meta({ format: 'date', description: 'In UTC.' }),
          outcome: z.string().meta({
            description:
              'accepted, the class of the refusal, aborted (given up here), foreign (spent by another program on the same quota) or unheard (no answer is known, or not yet).',
          }),
          requests: countSchema,
          bytes: countSchema.meta({ description: 'Of the bodies accepted, decoded.' }),
        }),
      )
      .meta({ description: 'The requests of the last 30 days, newest day first, then by outcome.' }),
  })
  .meta({ id: 'Quota' })

export function quotaAnswer(quota: Quota): z.infer<typeof quotaSchema> {
  return {
    plan: quota.plan,
    living_plans: quota.livingPlans,
    limits: quota.limits.map(({ name, max, windowMs, used, remaining, nextFreesAt }) => ({
      name,
      max,
      window_seconds: windowMs / 1_000,
      used,
      remaining,
      next_frees_at: nextFreesAt,
    })),
    blocked: quota.blocked,
    contradiction: contradictionText(quota),
    key: keyAnswer(quota.key),
    items_waiting: quota.itemsWaiting,
    backlog_done_at: quota.backlogDone.at,
    no_estimate_because: quota.backlogDone.unknownBecause,
    causes: quota.causes.map(causeAnswer),
    requests: quota.days,
  }
}

function contradictionText({ plan, contradiction }: Quota): string | null {
  if (contradiction === null) return null
  const { perDay, planned } = contradiction
  return `the provider says ${perDay} requests a day; the plan ${plan} says ${limitsText(planned)}: check ALPHAVANTAGE_PLAN`
}

function keyAnswer(key: Quota['key']): z.infer<typeof keySchema> | null {
  if (key === null) return null
  const { fingerprint, missing, refused, access } = key
  const refusal = refused ? access.find((one) => one.isOfKey) : undefined
  const accepted = access.some((one) => one.state === 'accepted')
  return {
    fingerprint,
    state: missing ? 'missing' : refused ? 'refused' : accepted ? 'accepted' : 'undecided',
    class: refusal?.class ?? null,
    detail: refusal?.detail ?? null,
    advice: missing || refused ? KEY_ADVICE : null,
    retry_at: refusal?.retryAt ?? null,
    access: access.map((one) => ({
      function: one.function,
      outputsize: one.outputsize,
      state: one.state === 'probing' ? 'undecided' : one.state,
      class: one.class,
      detail: one.detail,
      retry_at: one.retryAt,
      decided_at: one.decidedAt,
    })),
  }
}
