import { setTimeout as sleep } from 'node:timers/promises'
import { isUnavailable, withoutParameters } from '@stockpile/db/connection'
import type { Database } from '@stockpile/db/connection'
import { assertMigrated, SchemaVersionError } from '@stockpile/db/migrate'
import type { Logger } from './logger.js'
import { StartError } from './start-error.js'

const WAIT_MS = 60_000
const PAUSE_MS = 1_000

/**
 * Waits up to 60 s for PostgreSQL, and checks that its schema is this code's. Returns early when the signal comes.
 * @throws StartError with what to do
 */
export async function waitForSchema(
  db: Database,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const endsAt = performance.now() + WAIT_MS
  for (let waiting = false; !signal.aborted; waiting = true) {
    try {
      return await assertMigrated(db)
    } catch (error) {
      if (error instanceof SchemaVersionError) throw new StartError(error.message)
      if (!isUnavailable(error))
        throw new StartError(`PostgreSQL refused: ${reasonOf(error)}. Check DATABASE_URL.`)
      if (performance.now() > endsAt) {
        throw new StartError(
          `PostgreSQL did not answer within ${WAIT_MS / 1_000} s: ${reasonOf(error)}. Check DATABASE_URL, and that the server runs.`,
        )
      }
      if (!waiting)
        logger.warn({ err: error }, `PostgreSQL does not answer: waiting up to ${WAIT_MS / 1_000} s for it`)
    }
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
  }
}

function reasonOf(error: unknown): string {
  const known = withoutParameters(error)
  return known instanceof Error ? known.message || known.name : 'for an unknown reason'
}
