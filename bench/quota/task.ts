import * as z from 'zod'

const CONTESTANTS = ['stockpile', 'bullmq', 'rate-limiter-flexible', 'bottleneck'] as const
export type Contestant = (typeof CONTESTANTS)[number]

/** What one sending process is to do; sent to it by IPC. */
export const taskSchema = z.object({
  contestant: z.enum(CONTESTANTS),
  simulatorUrl: z.string(),
  databaseUrl: z.string(),
  /** Null: no Redis, or one that is not to be used. */
  redisUrl: z.string().nullable(),
  /** Keeps what this row writes to Redis apart from other rows. */
  prefix: z.string(),
  limits: z
    .array(z.object({ name: z.enum(['second', 'minute', 'day']), max: z.number(), windowMs: z.number() }))
    .min(1),
  concurrency: z.number(),
  symbols: z.array(z.string()).min(1),
})
export type Task = z.infer<typeof taskSchema>
export type TaskLimit = Task['limits'][number]
