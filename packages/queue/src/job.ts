import type { Priority } from '@stockpile/domain/run'
import * as z from 'zod'

/** The queue's name, part of its keys in Redis and of the board's addresses. */
export const QUEUE_NAME = 'ingest'
/** The kind of its jobs: fetch one symbol's daily series and store it. */
export const JOB_KIND = 'ingest-symbol'
/** Raised when the payload changes meaning; `parseJobData` then upgrades the older one. */
const JOB_VERSION = 1

const jobDataSchema = z.strictObject({
  version: z.literal(JOB_VERSION),
  itemId: z.int().positive(),
  runId: z.uuid(),
  /** For people who read the board; the worker goes by the item. */
  symbol: z.string().min(1),
})

/** A job's payload. No key, no price: an item to take, and what a person wants to see of it. */
export type JobData = z.infer<typeof jobDataSchema>

/** BullMQ's: the smaller go first. Between two of them there is room for what goes behind the others of its own. */
export const JOB_PRIORITIES = { high: 1, normal: 1_000, low: 1_000_000 } as const satisfies Record<
  Priority,
  number
>
/** How often a job goes behind the others of its priority. */
const MOST_BEHIND = 900

/**
 * The priority of a job that goes behind the others of its own, and behind those that went there less often. A later turn
 * alone is not enough: in PostgreSQL a job that was put off keeps its place.
 */
export function priorityBehind(priority: number): number {
  const steps = priority % JOB_PRIORITIES.normal
  return steps < MOST_BEHIND ? priority + 1 : priority
}

/** A job that this version of the worker cannot run, now or later. */
export class InvalidJobError extends Error {
  override readonly name = 'InvalidJobError'
  readonly class: 'unsupported_version' | 'invalid_payload'
  constructor(failureClass: InvalidJobError['class'], message: string) {
    super(message)
    this.class = failureClass
  }
}

export function jobData(item: Omit<JobData, 'version'>): JobData {
  return { version: JOB_VERSION, itemId: item.itemId, runId: item.runId, symbol: item.symbol }
}

/** @throws InvalidJobError for a payload of another version, or one that is none */
export function parseJobData(data: unknown): JobData {
  const parsed = jobDataSchema.safeParse(data)
  if (parsed.success) return parsed.data
  const version = z.looseObject({ version: z.int() }).safeParse(data)
  if (version.success && version.data.version !== JOB_VERSION) {
    throw new InvalidJobError(
      'unsupported_version',
      `The job's payload has version ${version.data.version}; this worker knows version ${JOB_VERSION}.`,
    )
  }
  const where = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'payload'}: ${issue.message}`)
  throw new InvalidJobError('invalid_payload', `The job's payload is not valid: ${where.join('; ')}.`)
}

/** One job an item, for ever: adding it twice is harmless. BullMQ allows neither `:` nor digits alone. */
export function jobIdOf(itemId: number): string {
  return `item-${itemId}`
}

/** @returns null for a job that was not made by `jobIdOf` */
export function itemIdOf(jobId: string | undefined): number | null {
  const digits = /^item-([1-9]\d{0,15})$/.exec(jobId ?? '')?.[1]
  return digits === undefined ? null : Number(digits)
}
