import { setTimeout as sleep } from 'node:timers/promises'
import { isUnavailable } from '../database/connection.js'
import type { Pool } from '../database/connection.js'
import { errorSentence, SentenceError } from '../database/error-sentence.js'
import { assertMigrated } from './migrate.js'
import { assertFitServer } from './server-check.js'

const WAIT_MS = 60_000
const PAUSE_MS = 1_000

/** PostgreSQL refuses, or does not come up; the message is a sentence for the person who started the process. */
export class DatabaseNotReadyError extends SentenceError {
  override readonly name = 'DatabaseNotReadyError'
}

interface Waiting {
  /** Told once, in a sentence with the reason, that it does not answer yet. */
  onWaiting: (sentence: string) => void
  signal: AbortSignal
}

/**
 * Waits up to 60 s for PostgreSQL, and checks that it is fit and its schema this code's. Returns early when the signal comes.
 * @throws DatabaseNotReadyError, SchemaVersionError or UnfitServerError: each with what to do
 */
export async function waitForSchema(db: Pool, waiting: Waiting): Promise<void> {
  await onceAnswered(async () => {
    await assertFitServer(db)
    await assertMigrated(db)
  }, waiting)
}

/**
 * Does what a start has to do in the database, again for up to 60 s while that is away: it may go at any moment of a start.
 * @param work may be done twice: its answer can be lost
 * @returns undefined when the signal came first
 * @throws DatabaseNotReadyError, or what else the work throws
 */
export async function onceAnswered<T>(
  work: () => Promise<T>,
  { onWaiting, signal }: Waiting,
): Promise<T | undefined> {
  const endsAt = performance.now() + WAIT_MS
  for (let waiting = false; !signal.aborted; waiting = true) {
    try {
      return await work()
    } catch (error) {
      if (!isUnavailable(error)) throw sentenceError(error)
      if (performance.now() > endsAt) throw sentenceError(error, ` Waited ${WAIT_MS / 1_000} s.`)
      if (!waiting)
        onWaiting(
          `${errorSentence(error) ?? 'PostgreSQL does not answer.'} Waiting up to ${WAIT_MS / 1_000} s for it.`,
        )
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
  return undefined
}

/** The error itself when it is a defect, whose stack tells more. */
function sentenceError(error: unknown, more = ''): unknown {
  const sentence = errorSentence(error)
  return sentence === undefined || error instanceof SentenceError
    ? error
    : new DatabaseNotReadyError(`${sentence}${more}`)
}
