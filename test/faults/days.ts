import { setTimeout as sleep } from 'node:timers/promises'
import type { World } from './world.js'

const INTERVAL_MS = 1_000
/** For so long it is looked at that nothing more is sent, before a new day begins: the minute's limit counts on. */
const SPENT_MS = 70_000

/**
 * Begins a new day of the provider's limit whenever the requests of one are spent, so that a soak sees several: what was
 * sent is moved out of the window that the limit counts, and what was put off until then is due.
 * @returns `close`: settles once no day is spent
 */
export function passDays(world: Pick<World, 'sql' | 'limits' | 'dayBegins'>): { close: () => Promise<void> } {
  const { sql, limits, dayBegins } = world
  const closing = new AbortController()
  let spentAt: number | undefined

  async function look(): Promise<void> {
    const [book] = await sql<{ requests: number }[]>`
      SELECT count(*)::int AS requests FROM provider_requests WHERE slot_at > now() - interval '1 day'`
    if ((book?.requests ?? 0) < limits.perDay) {
      spentAt = undefined
      return
    }
    spentAt ??= performance.now()
    if (performance.now() - spentAt < SPENT_MS) return
    // Who moves a request further than this has it pruned, and it is counted at the end.
    await sql`
      UPDATE provider_requests SET slot_at = now() - interval '1 day 1 minute' WHERE slot_at > now() - interval '1 day'`
    dayBegins.push(Date.now())
    await sql`
      UPDATE ingest_items SET next_attempt_at = now()
       WHERE state = 'pending' AND waiting_for = 'quota' AND next_attempt_at > now() + interval '1 hour'`
    spentAt = undefined
  }

  const passing = (async () => {
    while (!closing.signal.aborted || spentAt !== undefined) {
      // PostgreSQL itself may be down.
      await look().catch(() => {})
      await sleep(INTERVAL_MS)
    }
  })()
  return {
    async close() {
      closing.abort()
      await passing
    },
  }
}
