import { BACKENDS } from '../../environment/backends.js'
import type { Scenario } from '../scenario.js'

/** The API ends a statement after 10 s and gives a handler up after 15 s; the rest is for a busy machine. */
const ANSWER_LIMIT_MS = 20_000
/** Workers give a silent connection up after 25 s; PostgreSQL ends a transaction after 20 s whose process is cut off. */
const RECOVERY_LIMIT_MS = 40_000

export const postgresSlow: Scenario = {
  number: 16,
  title: 'PostgreSQL is slow, then half-open: statements time out, 503, work goes on afterwards',
  backends: BACKENDS,
  environment: { proxies: ['postgres'], latencyMs: 200, allows503: true },
  async run({ http, sql, simulator, postgresProxy, until, drained }) {
    const ask = async (what: string) => {
      const answer = await http.request('/api/financial_data?symbol=IBM')
      if (answer.status !== 503 || answer.retryAfter === null || answer.ms > ANSWER_LIMIT_MS)
        throw new Error(`While PostgreSQL was ${what}: ${answer.status} after ${answer.ms} ms`)
    }
    await sql.begin(async (tx) => {
      await tx`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`
      await ask('slow')
    })
    await http.ingest(Array.from({ length: 20 }, (_, index) => `SYM${index}`))
    await until('some requests', () => simulator.arrivals().length >= 3)
    // Open connections never answer again, as after a failover; new ones work.
    postgresProxy?.swallow()
    const swallowedAt = performance.now()
    await http.request('/api/financial_data?symbol=IBM')
    await drained(120_000)
    const recoveryMs = Math.round(performance.now() - swallowedAt)
    const failures = await sql`SELECT FROM ingest_failures`
    if (failures.length > 0) throw new Error(`${failures.length} attempts were charged`)
    return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
