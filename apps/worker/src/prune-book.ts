import type { Connection } from '@stockpile/db/connection'
import { pruneRequests } from '@stockpile/db/ledger'
import type { Logger } from 'pino'
import { tick } from './in-flight.js'

const INTERVAL_MS = 60_000

/** Keeps the quota's book as short as its longest window, until `signal` aborts. Any number of workers may do so. */
export async function pruneBook(
  { db, logger }: { db: Connection['db']; logger: Logger },
  signal: AbortSignal,
): Promise<void> {
  do {
    try {
      let pruned
      do pruned = await pruneRequests(db)
      while (pruned > 0 && !signal.aborted)
    } catch (error) {
      logger.warn({ err: error }, 'cannot prune the book of requests')
    }
  } while (await tick(INTERVAL_MS, signal))
}
