import * as z from 'zod'

const CONTESTANTS = ['stockpile', 'bullmq', 'rate-limiter-flexible', 'bottleneck'] as const
export type Contestant = (typeof CONTESTANTS)[number]

/** What one sending process shall do; it comes by IPC. */
export const taskSchema = z.object({
  contestant: z.enum(CONTESTANTS),
  simulatorUrl: z.string(),
  databaseUrl: z.string(),
  /** Null when the trial uses no Redis. */
  redisUrl: z.string().nullable(),
  /** Keeps what this trial writes to Redis apart from other trials. */
  prefix: z.string(),
  limits: z
    .array(z.object({ name: z.enum(['second', 'minute', 'day']), max: z.number(), windowMs: z.number() }))
    .min(1),
  concurrency: z.number(),
  symbols: z.array(z.string()).min(1),
})
export type Task = z.infer<typeof taskSchema>
export type TaskLimit = Task['limits'][number]
