import type { Connection } from '@stockpile/db/connection'
import { pruneIdempotencyKeys } from '@stockpile/db/idempotency'
import { pruneRequests } from '@stockpile/db/ledger'
import type { Logger } from 'pino'
import { tick } from './in-flight.js'

const INTERVAL_MS = 60_000

/**
 * Forgets what nothing needs any more, until `signal` aborts: requests outside of every window of the quota, and
 * idempotency keys that are out of date. Any number of workers may do so.
 */
export async function runHousekeeping(
  { db, logger }: { db: Connection['db']; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  do {
    try {
      let pruned
      do pruned = await pruneRequests(db)
      while (pruned > 0 && !signal.aborted)
      await pruneIdempotencyKeys(db)
    } catch (error) {
      logger.warn({ err: error }, 'cannot prune what is out of date')
    }
  } while (await tick(INTERVAL_MS, signal))
}
