import * as z from 'zod'

/** What the load generator is to send; by IPC. */
export const taskSchema = z.object({
  url: z.string(),
  paths: z.array(z.string()).min(1),
  concurrency: z.int().min(1),
  /** For how long requests are begun. */
  ms: z.number(),
})
export type Task = z.infer<typeof taskSchema>

/** What came of it. */
export const measuredSchema = z.object({
  /** Of each request, from its first byte sent to its last received. */
  latenciesMs: z.array(z.number()).min(1),
  elapsedMs: z.number(),
})
export type Measured = z.infer<typeof measuredSchema>
