import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment } from '../environment/environment.js'

const INTERVAL_MS = 500
/** Between the last two attempts. What is put off for longer waits for something else, perhaps for ever: it is not cut short. */
const LONGEST_BACKOFF_MS = 320_000

/**
 * Until everything that was accepted has ended, without sitting the waits between attempts out: what is put off by
 * one is due at once. What the waits are like is for a row to see before it calls this.
 */
export async function drainWithoutWaits(environment: Environment, deadlineMs = 120_000): Promise<void> {
  const ended = new AbortController()
  const hurrying = (async () => {
    while (!ended.signal.aborted) {
      await environment.sql`
        UPDATE ingest_items SET next_attempt_at = now()
         WHERE next_attempt_at BETWEEN now() AND now() + ${LONGEST_BACKOFF_MS}::float8 * interval '1 ms'`
      const delayed = (await environment.jobs().getDelayed()).filter((job) => job.delay <= LONGEST_BACKOFF_MS)
      // One that became due by itself meanwhile cannot be promoted any more.
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

/** As if the provider's day were over: what it said of its limit counts no more. */
export async function endDay({ sql }: Environment): Promise<void> {
  await sql`UPDATE provider_keys SET said_at = said_at - interval '25 hours', blocked_until = NULL`
}
