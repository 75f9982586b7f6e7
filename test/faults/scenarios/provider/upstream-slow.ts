import { deepEqual, equal, ok } from 'node:assert/strict'
import { startDeafServer } from '../../disturbances/deaf-server.js'
import { BACKENDS } from '../../environment/backends.js'
import { storedRows } from '../../invariants/upstream-rows.js'
import { failedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

/** The client's deadline for a whole request. */
const DEADLINE_MS = 30_000
/** How late a busy machine may notice the deadline. */
const LATE_MS = 5_000

export const upstreamSlow: Scenario = {
  number: 18,
  title: 'no connection, no answer, an answer by the byte: each ends at a deadline, and is asked for again',
  backends: BACKENDS,
  environment: { workers: 0 },
  async run({ http, simulator, sql, programs, until, drained }) {
    const deaf = await startDeafServer()
    try {
      const worker = await programs.startWorker({ ALPHAVANTAGE_BASE_URL: deaf.url })
      await http.ingest(['DEAF'])
      const outage = async () =>
        (await sql`SELECT FROM provider_state WHERE outage_class = 'timeout'`).length > 0
      await until('the end of the connecting', outage)
      await programs.stop(worker)
    } finally {
      await deaf.close()
    }
    // No connection means no request, so no attempt is charged and all items wait.
    equal((await failedAttempts(sql, 'DEAF')).length, 0, 'failed attempts')
    const unsent = await sql`SELECT FROM provider_requests`
    equal(unsent.length, 0, 'requests recorded that never left')

    await programs.startWorker()
    // Until the first answer shows what the key may do, workers send one request at a time.
    await drained()
    simulator.rule({ symbol: 'SILENT', times: 1, answer: { kind: 'delay', ms: 600_000 } })
    simulator.rule({ symbol: 'DRIP', times: 1, answer: { kind: 'drip', bytes: 1, everyMs: 100 } })
    await http.ingest(['SILENT', 'DRIP', 'SOUND'])
    const recorded = async () => (await sql`SELECT FROM ingest_failures WHERE symbol <> 'DEAF'`).length === 2
    await until('both deadlines', recorded, DEADLINE_MS + 30_000)
    const abortedAt = performance.now()
    deepEqual(await storedRows({ sql }, 'DRIP'), [], 'rows of half an answer')
    const durations = await sql<{ ms: number }[]>`
      SELECT duration_ms AS ms FROM provider_requests WHERE outcome = 'timeout'`
    equal(durations.length, 2)
    for (const { ms } of durations)
      ok(ms >= DEADLINE_MS - 100 && ms < DEADLINE_MS + LATE_MS, `Aborted after ${ms} ms`)
    await drained()
    return { recoveryMs: Math.round(performance.now() - abortedAt) }
  },
}
