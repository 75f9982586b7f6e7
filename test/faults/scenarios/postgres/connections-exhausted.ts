import { equal } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../../environment/backends.js'
import { ADMIN_CONNECTIONS } from '../../environment/create-environment.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

const LASTS_MS = 8_000
/** The API gives a handler up after 15 s; the rest is for a busy machine. */
const ANSWER_LIMIT_MS = 20_000

export const connectionsExhausted: Scenario = {
  number: 14,
  title: "PostgreSQL's connections are exhausted: bounded waits, 503, no crash",
  backends: BACKENDS,
  environment: { allows503: true },
  async run({ http, sql, simulator, until, drained }) {
    await http.ingest(symbols(80))
    await until('some requests', () => simulator.arrivals().length >= 3)
    // The limit counts this program's connections too, so this opens all of them first.
    await Promise.all(Array.from({ length: ADMIN_CONNECTIONS }, () => sql`SELECT pg_sleep(0.3)`))
    const [database] = await sql<{ name: string }[]>`SELECT current_database() AS name`
    const limit = (connections: number) =>
      sql.unsafe(`ALTER DATABASE ${database?.name} CONNECTION LIMIT ${connections}`)
    await limit(ADMIN_CONNECTIONS + 2)
    await sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND usename IN ('stockpile_api', 'stockpile_worker')`
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => http.request('/api/financial_data?limit=1')),
    )
    const odd = answers.filter(({ status, ms }) => ![200, 503].includes(status) || ms > ANSWER_LIMIT_MS)
    if (odd.length > 0)
      throw new Error(`Answers: ${odd.map(({ status, ms }) => `${status} after ${ms} ms`).join()}`)
    await sleep(LASTS_MS)
    await limit(-1)
    const backAt = performance.now()
    await drained()
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
