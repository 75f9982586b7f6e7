import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../environment/environment.js'

const INTERVAL_MS = 500
/** The longest backoff. An item that waits longer waits for something else, perhaps for ever, and is not hurried. */
const LONGEST_BACKOFF_MS = 320_000

/**
 * Resolves when every accepted item has ended, and makes items due at once that wait for a backoff. A scenario that
 * checks the backoffs does so before it calls this.
 */
export async function drainWithoutWaits(environment: Environment, deadlineMs = 120_000): Promise<void> {
  const ended = new AbortController()
  const hurrying = (async () => {
    while (!ended.signal.aborted) {
      await environment.sql`
        UPDATE ingest_items SET next_attempt_at = now()
         WHERE next_attempt_at BETWEEN now() AND now() + ${LONGEST_BACKOFF_MS}::float8 * interval '1 ms'`
      const delayed = (await environment.jobs().getDelayed()).filter((job) => job.delay <= LONGEST_BACKOFF_MS)
      // A job that became due by itself meanwhile cannot be promoted any more.
      await Promise.all(delayed.map((job) => job.promote().catch(() => {})))
      await sleep(INTERVAL_MS, undefined, { signal: ended.signal }).catch(() => {})
    }
  })()
  try {
    await Promise.race([environment.drained(deadlineMs), hurrying])
  } finally {
    ended.abort()
    await hurrying
  }
}

/** Makes the ledger forget the daily refusal, as if the provider's day were over. */
export async function endDay({ sql }: Environment): Promise<void> {
  await sql`UPDATE provider_keys SET said_at = said_at - interval '25 hours', blocked_until = NULL`
}
