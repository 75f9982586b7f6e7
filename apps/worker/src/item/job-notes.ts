import { within } from '@stockpile/time/wait'
import type { IngestJob } from '@stockpile/queue/queue'
import type { Logger } from 'pino'

const WRITE_DEADLINE_MS = 1_000

/**
 * What the board shows of a job while it runs. Written behind the work, one after another (BullMQ's Postgres
 * backend wants no two at once), so that neither a slow nor an absent queue holds up rows that are fetched.
 */
export class JobNotes {
  readonly #job: IngestJob
  readonly #logger: Logger
  #writing: Promise<void> = Promise.resolve()

  constructor(job: IngestJob, logger: Logger) {
    this.#job = job
    this.#logger = logger
  }

  add(line: string): void {
    this.#write(() => this.#job.log(line))
  }

  /** The work is done: without it the board shows a completed job as begun. */
  complete(): void {
    this.#write(() => this.#job.updateProgress(100))
  }

  #write(note: () => Promise<unknown>): void {
    this.#writing = this.#writing
      .then(async () => void (await note()))
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'a note for the board was lost'))
  }

  /** Settles once all notes are written or lost, or after a second: a frozen queue must not hold an item that is done. */
  async written(): Promise<void> {
    await within(this.#writing, WRITE_DEADLINE_MS)
  }
}
