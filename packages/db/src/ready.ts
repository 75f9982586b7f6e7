import { setTimeout as sleep } from 'node:timers/promises'
import { isUnavailable, withoutParameters } from './connection.js'
import type { Database } from './connection.js'
import { assertMigrated, SchemaVersionError } from './migrate.js'

const WAIT_MS = 60_000
const PAUSE_MS = 1_000

/** PostgreSQL refuses, or does not come up; the message is a sentence for the person who started the process. */
export class DatabaseNotReadyError extends Error {
  override readonly name = 'DatabaseNotReadyError'
}

/**
 * Waits up to 60 s for PostgreSQL, and checks that its schema is this code's. Returns early when the signal comes.
 * @param onWaiting told once, with the reason, that it does not answer yet
 * @throws DatabaseNotReadyError, or SchemaVersionError: both with what to do
 */
export async function waitForSchema(
  db: Database,
  { onWaiting, signal }: { onWaiting: (reason: unknown, seconds: number) => void; signal: AbortSignal },
): Promise<void> {
  const endsAt = performance.now() + WAIT_MS
  for (let waiting = false; !signal.aborted; waiting = true) {
    try {
      return await assertMigrated(db)
    } catch (error) {
      if (error instanceof SchemaVersionError) throw error
      if (!isUnavailable(error))
        throw new DatabaseNotReadyError(`PostgreSQL refused: ${reasonOf(error)}. Check DATABASE_URL.`)
      if (performance.now() > endsAt) {
        throw new DatabaseNotReadyError(
          `PostgreSQL did not answer within ${WAIT_MS / 1_000} s: ${reasonOf(error)}. Check DATABASE_URL, and that the server runs.`,
        )
      }
      if (!waiting) onWaiting(error, WAIT_MS / 1_000)
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}

function reasonOf(error: unknown): string {
  const known = withoutParameters(error)
  return known instanceof Error ? known.message || known.name : 'for an unknown reason'
}
