import type { ClaimedItem } from '@stockpile/db/claim'
import type { IngestJob } from '@stockpile/queue/queue'
import type { Logger } from 'pino'
import type { Asked } from './failures.js'
import type { JobNotes } from './job-notes.js'

/** A job as the queue handed it to this worker; `token` proves to BullMQ that this worker holds the job. */
export interface HandedJob {
  job: IngestJob
  token: string | undefined
}

/** One attempt of this worker at an item: from the moment that the item is taken until its conclusion. */
export interface Attempt extends HandedJob {
  item: ClaimedItem
  /** Changes with each request: holds what the attempt asked the provider for last. */
  asked: Asked
  /** Aborts when the claim on the item is lost or the worker stops; its reason says which. */
  signal: AbortSignal
  /** Lines for the board. */
  notes: JobNotes
  /** Logs with the ids of the item. */
  log: Logger
}
