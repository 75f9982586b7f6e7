import type { Priority } from '@stockpile/domain/run'
import * as z from 'zod'

/** The name of the queue, which is part of the keys in Redis and of the board's addresses. */
export const QUEUE_NAME = 'ingest'
/** The kind of every job in the queue: fetch the daily series of one symbol and store it. */
export const JOB_KIND = 'ingest-symbol'
/** The version of the payload. A change of the payload's meaning raises the version; `parseJobData` then upgrades older payloads. */
const JOB_VERSION = 1

const jobDataSchema = z.strictObject({
  version: z.literal(JOB_VERSION),
  itemId: z.int().positive(),
  runId: z.uuid(),
  /** For people who read the board: the worker reads the symbol from the item in PostgreSQL. */
  symbol: z.string().min(1),
})

/** The payload of a job: which item to take, and what a person who reads the board wants to see. No key or price is in it. */
export type JobData = z.infer<typeof jobDataSchema>

/** Priorities as BullMQ takes them: smaller numbers go first. The numbers between two priorities are for `priorityBehind`. */
export const JOB_PRIORITIES = { high: 1, normal: 1_000, low: 1_000_000 } as const satisfies Record<
  Priority,
  number
>
/** How often a job can go behind the others of its priority; after that the job keeps its number. */
const MOST_BEHIND = 900

/**
 * Returns the number of a job that is to go behind all jobs of its priority, and behind jobs that went behind less often.
 * A delay is not enough: BullMQ on PostgreSQL gives a job that was delayed its old place again.
 */
export function priorityBehind(priority: number): number {
  const steps = priority % JOB_PRIORITIES.normal
  return steps < MOST_BEHIND ? priority + 1 : priority
}

/** Says that this version of the worker can never run a job. */
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

/**
 * Checks the payload of a job.
 * @throws InvalidJobError of class `unsupported_version` for a payload of another version, else of class `invalid_payload`
 */
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

/**
 * Names the one job of an item, so that adding the job twice is harmless. BullMQ allows neither `:` nor digits alone in the
 * id of a job.
 */
export function jobIdOf(itemId: number): string {
  return `item-${itemId}`
}

/** Returns the item of a job, or null when `jobIdOf` did not make the job's id. */
export function itemIdOf(jobId: string | undefined): number | null {
  const digits = /^item-([1-9]\d{0,15})$/.exec(jobId ?? '')?.[1]
  return digits === undefined ? null : Number(digits)
}
