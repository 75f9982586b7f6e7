import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '@stockpile/test-harness/process'
import { z } from 'zod'
import type { Environment } from '../environment/environment.js'

const INTERVAL_MS = 1_000
/** How long a day stays spent: the limit of a minute goes on, and by the end the API must say that the day is spent. */
const SPENT_MS = 70_000

const quota = z.object({ data: z.object({ causes: z.array(z.object({ for: z.string() })) }) })

/** The provider's days in a soak, which are shortened so that several pass. */
export interface Days {
  /** Resolves when no day is spent. */
  unspent: () => Promise<void>
  /** Spent days that the API did not tell, one sentence each. */
  complaints: readonly string[]
  close: () => Promise<void>
}

/**
 * Begins a new day of the provider's limit whenever the requests of a day are spent: moves the ledger's requests out of the
 * window that the limit counts, and makes items due a day earlier that are snoozed until the next day.
 */
export function passDays(environment: Pick<Environment, 'sql' | 'http' | 'limits' | 'dayBegins'>): Days {
  const { sql, http, limits, dayBegins } = environment
  const closing = new AbortController()
  const complaints: string[] = []
  let spentAt: number | undefined
  let isTold = false

  async function look(): Promise<void> {
    // The ledger prunes requests that are more than an hour older than a day; the end of the soak counts them all, so none may get there.
    await sql`
      UPDATE provider_requests SET slot_at = now() - interval '1 day 1 minute' WHERE slot_at < now() - interval '1 day 30 minutes'`
    const [spent] = await sql<{ requests: number }[]>`
      SELECT count(*)::int AS requests FROM provider_requests WHERE slot_at > now() - interval '1 day'`
    if ((spent?.requests ?? 0) < limits.perDay) {
      spentAt = undefined
      return
    }
    spentAt ??= performance.now()
    if (performance.now() - spentAt < SPENT_MS) return
    if (!isTold) {
      await assertTold()
      isTold = true
      // Noted before the ledger changes: no request is sent in between.
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
      // PostgreSQL or the API may be down by a disturbance, so the next turn looks again.
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
