import * as z from 'zod'

/** What the load generator shall send; it comes by IPC. */
export const taskSchema = z.object({
  url: z.string(),
  paths: z.array(z.string()).min(1),
  concurrency: z.int().min(1),
  /** How long new requests are begun. */
  ms: z.number(),
})
export type Task = z.infer<typeof taskSchema>

/** What the load generator answers. */
export const measuredSchema = z.object({
  /** The latency of each request, from its first byte sent to the last byte received. */
  latenciesMs: z.array(z.number()).min(1),
  elapsedMs: z.number(),
})
export type Measured = z.infer<typeof measuredSchema>
