import type { Worker } from '@stockpile/db/workers'
import * as z from 'zod'
import { LIMIT_NAMES } from '@stockpile/domain/limit'
import { WORKER_WAITING_FOR } from '@stockpile/domain/waiting'
import { instantSchema } from '../http/instant.js'

const countSchema = z.int().min(0)

export const workerSchema = z
  .object({
    id: z.string().meta({ format: 'uuid' }),
    name: z.string().meta({ description: 'Its machine and process.' }),
    version: z.string(),
    plan: z.string(),
    limits: z.array(
      z.object({
        name: z.enum(LIMIT_NAMES),
        max: countSchema.meta({ description: 'Requests in any window of this length.' }),
        window_seconds: z.number(),
      }),
    ),
    key: z.object({
      fingerprint: z.string().nullable().meta({
        description: 'The first 8 hex digits of its SHA-256; null while it has no key.',
      }),
      problem: z
        .string()
        .nullable()
        .meta({ description: 'Why it has none, in a sentence; null when it has.' }),
    }),
    concurrency: countSchema.meta({ description: 'How many symbols it works on at once.' }),
    queue: z.string().meta({ description: 'Where its queue is: redis or postgres.' }),
    started_at: instantSchema,
    last_seen_at: instantSchema.meta({ description: 'It says every 5 s that it lives.' }),
    state: z.enum(['working', 'waiting', 'lost']).meta({
      description:
        'working: it takes what there is. waiting: something keeps it from that. lost: it has said nothing for 20 s, and did not stop as it was told to.',
    }),
    waiting: z
      .object({
        for: z.enum(WORKER_WAITING_FOR),
        class: z.string(),
        reason: z.string().meta({ description: 'A sentence.' }),
        since: instantSchema.nullable(),
        until: instantSchema
          .nullable()
          .meta({ description: 'When it is looked at again at the latest; null: nobody can say.' }),
      })
      .nullable()
      .meta({ description: 'What keeps this one from taking items; null unless it waits.' }),
  })
  .meta({ id: 'Worker' })

export function workerAnswer(worker: Worker): z.infer<typeof workerSchema> {
  const { waiting } = worker
  return {
    id: worker.id,
    name: worker.name,
    version: worker.version,
    plan: worker.plan,
    limits: worker.limits
      .filter(({ max }) => max > 0)
      .map(({ name, max, windowMs }) => ({ name, max, window_seconds: windowMs / 1_000 })),
    key: { fingerprint: worker.keyFingerprint, problem: worker.keyProblem },
    concurrency: worker.concurrency,
    queue: worker.queue,
    started_at: worker.startedAt,
    last_seen_at: worker.lastSeenAt,
    state: worker.lives ? (waiting === null ? 'working' : 'waiting') : 'lost',
    waiting: waiting && {
      for: waiting.for,
      class: waiting.class,
      reason: waiting.reason,
      since: waiting.since,
      until: waiting.until,
    },
  }
}

/** The worker that OpenAPI shows: its key is free, and the requests of its day are spent. */
export const WORKER: z.infer<typeof workerSchema> = {
  id: '0b8d5c1e-2f64-4d9a-8c37-5f1e9a7b6c20',
  name: 'stockpile-worker-1:7',
  version: '0.1.0',
  plan: 'free',
  limits: [
    { name: 'second', max: 1, window_seconds: 1 },
    { name: 'day', max: 25, window_seconds: 86_400 },
  ],
  key: { fingerprint: 'b5bb9d80', problem: null },
  concurrency: 4,
  queue: 'redis',
  started_at: '2026-05-18T09:12:40.006Z',
  last_seen_at: '2026-05-19T09:30:11.412Z',
  state: 'waiting',
  waiting: {
    for: 'quota',
    class: 'daily_limit',
    reason: 'The requests of this day are spent.',
    since: '2026-05-19T09:12:45.310Z',
    until: '2026-05-20T09:12:46.310Z',
  },
}
