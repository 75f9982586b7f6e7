import { setTimeout as sleep } from 'node:timers/promises'
import { isUnavailable } from '../database/connection.js'
import type { Pool } from '../database/connection.js'
import { errorSentence, SentenceError } from '../database/error-sentence.js'
import { assertMigrated } from './migrate.js'
import { assertFitServer } from './server-check.js'

const WAIT_MS = 60_000
const PAUSE_MS = 1_000

/** PostgreSQL refuses, or does not come up; the message is a sentence for the person who started the program. */
export class DatabaseNotReadyError extends SentenceError {
  override readonly name = 'DatabaseNotReadyError'
}

interface Waiting {
  /** Called once, with a sentence that says why PostgreSQL does not answer yet. */
  onWaiting: (sentence: string) => void
  signal: AbortSignal
}

/**
 * Waits up to 60 s for PostgreSQL, and checks that the server is fit and the schema this code's. Returns early when the
 * signal comes.
 * @throws DatabaseNotReadyError, SchemaVersionError or UnfitServerError, whose messages say what to do
 */
export async function waitForSchema(db: Pool, waiting: Waiting): Promise<void> {
  await onceAnswered(async () => {
    await assertFitServer(db)
    await assertMigrated(db)
  }, waiting)
}

/**
 * Does a program's first work in the database, and again for up to 60 s while PostgreSQL is away, which can happen at any
 * moment of a start.
 * @param work may run twice, since its answer can be lost
 * @returns the work's result; undefined when the signal came first
 * @throws DatabaseNotReadyError, or any other error of the work
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

/** The error as a sentence; a defect stays as it is, since its stack tells more. */
function sentenceError(error: unknown, more = ''): unknown {
  const sentence = errorSentence(error)
  return sentence === undefined || error instanceof SentenceError
    ? error
    : new DatabaseNotReadyError(`${sentence}${more}`)
}
