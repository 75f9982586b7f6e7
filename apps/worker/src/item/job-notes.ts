import { within } from '@stockpile/time/wait'
import type { IngestJob } from '@stockpile/queue/queue'
import type { Logger } from 'pino'

const WRITE_DEADLINE_MS = 1_000

/**
 * The lines and the progress that the board shows of a job. They are written in the background, so that neither a slow nor
 * an absent queue delays fetched rows, and one after another, since BullMQ's PostgreSQL backend wants no two writes at once.
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

  /** Sets the progress to 100; without it the board shows a completed job as begun. */
  complete(): void {
    this.#write(() => this.#job.updateProgress(100))
  }

  #write(note: () => Promise<unknown>): void {
    this.#writing = this.#writing
      .then(async () => void (await note()))
      .catch((error: unknown) => this.#logger.debug({ err: error }, 'a note for the board was lost'))
  }

  /** Settles when all notes are written or lost, or after a second, since a frozen queue must not hold a finished item. */
  async written(): Promise<void> {
    await within(this.#writing, WRITE_DEADLINE_MS)
  }
}
