import { equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { StorageClass } from '@stockpile/db/storage-trouble'
import { chargedAttempts } from './attempts.js'
import type { Cause } from '../environment/cause-looks.js'
import type { Environment } from '../environment/environment.js'

/** Longer than what one worker says to the others holds without being said again. */
const LASTS_MS = 18_000
/** The cause is told, and told no more, within this. */
const TOLD_WITHIN_MS = 30_000
/** Of a worker that tries every 5 s, on a busy machine. */
const RECOVERY_LIMIT_MS = 30_000

/** `TWO_WORKERS` so that one learns it from the other. */
export const UNSTORABLE_ENVIRONMENT = { workers: 2, concurrency: 3, latencyMs: 100 }
const MOST_UNDER_WAY = UNSTORABLE_ENVIRONMENT.workers * UNSTORABLE_ENVIRONMENT.concurrency

/**
 * Rows cannot be stored for a while: nothing that is fetched is thrown away, little is asked for before the workers know,
 * nothing afterwards, and the API names the cause (I7). Afterwards every symbol was asked for once.
 * @param symbols asked for before the fault begins to show; none of them were before
 * @param fault.mark what the workers tell each other; null where nothing can be written
 * @returns from the end of the fault to the end of everything
 */
export async function outlastStorage(
  { http, simulator, sql, causes, until, drained }: Environment,
  symbols: readonly string[],
  fault: {
    request?: Record<string, unknown>
    mark: StorageClass | null
    /** What the API names; by default that rows cannot be stored. */
    cause?: Cause
    /** What takes its time before the fault begins. */
    prepare?: () => Promise<unknown>
    begin: () => Promise<unknown>
    end: () => Promise<unknown>
  },
): Promise<{ recoveryMs: number; recoveryLimitMs: number }> {
  // Until a key was accepted one request at a time goes out.
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
  // Whoever had its connection cut in the middle of a request, or its job taken for lost, asks again.
  ok(
    asked.length <= symbols.length + MOST_UNDER_WAY,
    `${asked.length} requests for ${symbols.length} symbols`,
  )
  await causes.judgeable()
  return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
}
