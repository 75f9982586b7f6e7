import { equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StorageClass } from '@stockpile/db/storage-trouble'
import type { Cause } from '../environment/cause-looks.js'
import type { Environment } from '../environment/environment.js'
import { chargedAttempts } from './attempts.js'

/** Longer than a worker's mark is good for when no worker renews it. */
const LASTS_MS = 18_000
/** How soon the cause is told after its begin, and no longer told after its end. */
const TOLD_WITHIN_MS = 30_000
/** A worker tries every 5 s; the rest is for a busy machine. */
const RECOVERY_LIMIT_MS = 30_000

/** Two workers, so that one learns of the trouble from the other. */
export const UNSTORABLE_ENVIRONMENT = { workers: 2, concurrency: 3, latencyMs: 100 }
const MOST_UNDER_WAY = UNSTORABLE_ENVIRONMENT.workers * UNSTORABLE_ENVIRONMENT.concurrency

/**
 * Makes rows impossible to store for a while, and checks that nothing fetched is thrown away, that little is requested before
 * the workers know and nothing afterwards, that the API names the cause (I7), and that each symbol is requested once in all.
 * @param symbols posted just before the fault begins; none of them may have been posted before
 * @param fault.mark the class that the workers tell each other in `provider_state`; null where nothing can be written
 * @returns how long it took from the end of the fault to the end of the last item
 */
export async function outlastStorage(
  { http, simulator, sql, causes, until, drained }: Environment,
  symbols: readonly string[],
  fault: {
    request?: Record<string, unknown>
    mark: StorageClass | null
    /** The cause that the API names; by default `storage`. */
    cause?: Cause
    /** Slow preparations that must be over before the symbols are posted. */
    prepare?: () => Promise<unknown>
    begin: () => Promise<unknown>
    end: () => Promise<unknown>
  },
): Promise<{ recoveryMs: number; recoveryLimitMs: number }> {
  // Until the provider accepts a key, workers send one request at a time.
  await http.ingest([`${symbols[0]}FIRST`])
  await drained()
  const before = simulator.arrivals().length
  const charged = await chargedAttempts(sql)
  const marks = async () => {
    const [row] = await sql<{ mark: string | null }[]>`
      SELECT CASE WHEN storage_failed_at > now() - interval '30 s' THEN storage_class END AS mark FROM provider_state`
    return row?.mark ?? null
  }
  await fault.prepare?.()
  await http.ingest(symbols, { priority: 'high', ...fault.request })
  await until('the first request', () => simulator.arrivals().length > before)
  causes.began(fault.cause ?? 'storage')
  await fault.begin()
  const begunAt = simulator.arrivals().length
  if (fault.mark !== null)
    await until(`the mark ${fault.mark}`, async () => (await marks()) === fault.mark, 2 * TOLD_WITHIN_MS)
  await sleep(LASTS_MS)
  const spent = simulator.arrivals().length - begunAt
  ok(spent <= 2 * MOST_UNDER_WAY, `${spent} requests were sent that could not be stored`)
  if (fault.mark !== null) equal(await marks(), fault.mark, 'the mark')
  await sleep(LASTS_MS)
  equal(simulator.arrivals().length - begunAt, spent, 'requests after the workers knew')
  await causes.judgeable()

  await fault.end()
  causes.ended()
  const endedAt = performance.now()
  await drained(120_000)
  const recoveryMs = Math.round(performance.now() - endedAt)
  await until('no mark', async () => (await marks()) === null, TOLD_WITHIN_MS)
  equal(await chargedAttempts(sql), charged, 'attempts charged')
  const asked = simulator.arrivals().slice(before)
  // A worker whose connection was cut in the middle of a request, or whose job was taken for lost, asks again.
  ok(
    asked.length <= symbols.length + MOST_UNDER_WAY,
    `${asked.length} requests for ${symbols.length} symbols`,
  )
  await causes.judgeable()
  return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
}
