import { setTimeout as sleep } from 'node:timers/promises'
import { withConnection } from './with-connection.js'

const POLL_MS = 100

/**
 * Waits for the programs of a killed npm start to end. They end by themselves, after the work that is in flight.
 * @returns false when some are still there after `deadlineMs`
 */
export async function waitForOldPrograms(
  databaseUrl: string,
  options: { deadlineMs: number; signal: AbortSignal; onWaiting: () => void },
): Promise<boolean> {
  const deadline = performance.now() + options.deadlineMs
  return withConnection(databaseUrl, async (sql) => {
    for (let told = false; ;) {
      const [row] = await sql<{ left: number }[]>`
        select count(*)::int as left from pg_stat_activity
         where datname = current_database() and application_name in ('stockpile-api', 'stockpile-api-data', 'stockpile-worker', 'stockpile-queue')`
      if (row?.left === 0) return true
      if (performance.now() > deadline) return false
      if (!told) options.onWaiting()
      told = true
      await sleep(POLL_MS, undefined, { signal: options.signal })
    }
  })
}
