import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../row.js'
import type { Row } from '../row.js'

const DOWN_MS = 30_000
/** What was on its way to the provider when the database went. */
const SETTLE_MS = 2_000
const CONCURRENCY = 4

export const postgresDown: Row = {
  number: 13,
  title: 'PostgreSQL is down for 30 s in the middle of a run: 503, no attempt and no quota is spent',
  backends: BACKENDS,
  world: { ownPostgres: true, concurrency: CONCURRENCY, latencyMs: 200, allows503: true },
  async run({ http, sql, random, simulator, until, drained, crashPostgres, restartPostgres }) {
    const symbols = Array.from({ length: 30 }, (_, index) => `SYM${index}`)
    await http.ingest(symbols)
    const moment = random.between(1, 15)
    await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
    await crashPostgres()
    await sleep(SETTLE_MS)
    const requestsAtCrash = simulator.arrivals().length
    for (const [path, method] of [
      ['/api/financial_data', 'GET'],
      ['/api/ingest', 'POST'],
    ] as const) {
      const body = method === 'POST' ? { body: '{"symbols":["LATE"]}' } : {}
      const answer = await http.request(path, { method, ...body })
      if (answer.status !== 503 || answer.retryAfter === null)
        throw new Error(`${method} ${path} answered ${answer.status} without its database`)
    }
    await sleep(DOWN_MS - SETTLE_MS)
    const spent = simulator.arrivals().length - requestsAtCrash
    if (spent > 0) throw new Error(`${spent} requests were sent without the database`)
    await restartPostgres()
    const backAt = performance.now()
    await drained(120_000)
    const recoveryMs = Math.round(performance.now() - backAt)
    const failures = await sql`SELECT FROM ingest_failures`
    if (failures.length > 0) throw new Error(`${failures.length} attempts were spent`)
    const repeated = simulator.arrivals().length - symbols.length
    if (repeated > CONCURRENCY) throw new Error(`${repeated} requests more than symbols`)
    return { recoveryMs }
  },
}
