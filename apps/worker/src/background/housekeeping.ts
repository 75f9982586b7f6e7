import { tick } from '@stockpile/time/wait'
import type { Connection } from '@stockpile/db/connection'
import { pruneIdempotencyKeys } from '@stockpile/db/idempotency'
import { pruneRequests } from '@stockpile/db/request-days'
import { pruneRun } from '@stockpile/db/retention'
import { pruneWorkers } from '@stockpile/db/workers'
import type { Logger } from 'pino'

const INTERVAL_MS = 60_000

interface Housekeeping {
  db: Connection['db']
  /** Looks whether the database's clock was set. */
  watchClock: () => Promise<void>
  logger: Logger
  /** How long a finished run is kept, with its items and failures; 0: for ever. */
  runRetentionDays: number
}

/**
 * Deletes, until `signal` aborts, what nothing needs any more: requests outside of every window of the quota, idempotency
 * keys that are out of date, workers that were lost long ago, and runs that finished long ago, one at a time. Any number of
 * workers may do so at once.
 */
export async function runHousekeeping(
  { db, watchClock, logger, runRetentionDays }: Housekeeping,
  signal: AbortSignal,
): Promise<void> {
  do {
    try {
      // By a clock that is ahead, requests that a window still needs would seem to be outside of every window.
      await watchClock()
      let pruned
      do pruned = await pruneRequests(db)
      while (pruned > 0 && !signal.aborted)
      await pruneIdempotencyKeys(db)
      await pruneWorkers(db)
      let runs = 0
      let deleted
      do {
        deleted = runRetentionDays === 0 ? 'nothing' : await pruneRun(db, { olderThanDays: runRetentionDays })
        if (deleted === 'run') runs += 1
      } while (deleted !== 'nothing' && !signal.aborted)
      if (runs > 0) logger.info({ runs, olderThanDays: runRetentionDays }, 'deleted runs for their age')
    } catch (error) {
      logger.warn({ err: error }, 'cannot prune what is out of date')
    }
  } while (await tick(INTERVAL_MS, signal))
}
