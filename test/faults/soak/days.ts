import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '@stockpile/test-harness/process'
import { z } from 'zod'
import type { Environment } from '../environment/environment.js'

const INTERVAL_MS = 1_000
/** A day stays spent for so long: the minute's limit counts on, and that it is spent is to be told by then. */
const SPENT_MS = 70_000

const quota = z.object({ data: z.object({ causes: z.array(z.object({ for: z.string() })) }) })

/**
 * Begins a new day of the provider's limit whenever the requests of one are spent, so that a soak sees several: what was
 * sent is moved out of the window that the limit counts, and what was put off until then is put off a day less.
 */
export function passDays(environment: Pick<Environment, 'sql' | 'http' | 'limits' | 'dayBegins'>): {
  /** Settles once no day is spent. */
  unspent: () => Promise<void>
  /** What was not told while a day was spent. */
  complaints: readonly string[]
  close: () => Promise<void>
} {
  const { sql, http, limits, dayBegins } = environment
  const closing = new AbortController()
  const complaints: string[] = []
  let spentAt: number | undefined
  let isTold = false

  async function look(): Promise<void> {
    // What was moved further out than an hour would be pruned, and is counted at the end.
    await sql`
      UPDATE provider_requests SET slot_at = now() - interval '1 day 1 minute' WHERE slot_at < now() - interval '1 day 30 minutes'`
    const [book] = await sql<{ requests: number }[]>`
      SELECT count(*)::int AS requests FROM provider_requests WHERE slot_at > now() - interval '1 day'`
    if ((book?.requests ?? 0) < limits.perDay) {
      spentAt = undefined
      return
    }
    spentAt ??= performance.now()
    if (performance.now() - spentAt < SPENT_MS) return
    if (!isTold) {
      await assertTold()
      isTold = true
      // Before it is so: nothing is sent meanwhile.
      dayBegins.push(Date.now())
    }
    await sql.begin(async (tx) => {
      await tx`
        UPDATE ingest_items SET next_attempt_at = next_attempt_at - interval '1 day 1 minute'
         WHERE state = 'pending' AND waiting_for = 'quota' AND next_attempt_at > now() + interval '1 hour'`
      await tx`
        UPDATE provider_requests SET slot_at = now() - interval '1 day 1 minute' WHERE slot_at > now() - interval '1 day'`
    })
    spentAt = undefined
    isTold = false
  }

  async function assertTold(): Promise<void> {
    const { status, text } = await http.request('/api/quota')
    if (status !== 200) throw new Error(`quota answers ${status}`)
    const { causes } = quota.parse(JSON.parse(text)).data
    if (causes.every((cause) => cause.for !== 'quota'))
      complaints.push(`A day is spent, and quota names ${JSON.stringify(causes)}`)
  }

  const passing = (async () => {
    while (!closing.signal.aborted) {
      // PostgreSQL or the API itself may be down: it is looked at again.
      await look().catch(() => {})
      await sleep(INTERVAL_MS, undefined, { signal: closing.signal }).catch(() => {})
    }
  })()
  return {
    async unspent() {
      await sleep(2 * INTERVAL_MS)
      await waitFor(() => spentAt === undefined, { deadlineMs: 3 * SPENT_MS, what: 'the end of a spent day' })
    },
    complaints,
    async close() {
      closing.abort()
      await passing
    },
  }
}
