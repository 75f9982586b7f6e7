import { equal } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import { midway } from '../../steps/midway.js'
import type { Scenario } from '../scenario.js'

/** How long requests may take that were under way to the provider when the database went down. */
const SETTLE_MS = 2_000
const CONCURRENCY = 4
const SYMBOLS = 30

export const postgresDown: Scenario = {
  number: 13,
  title: 'PostgreSQL is down for 36 s in the middle of a run: 503, no attempt and no quota is spent',
  backends: BACKENDS,
  environment: { ownPostgres: true, concurrency: CONCURRENCY, latencyMs: 200, allows503: true },
  async run(environment) {
    const { http, sql, simulator, causes, drained, crashPostgres, restartPostgres } = environment
    causes.watch()
    await http.ingest(symbols(SYMBOLS))
    await midway(environment, SYMBOLS / 2)
    causes.began('database')
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
    await causes.judgeable()
    const spent = simulator.arrivals().length - requestsAtCrash
    if (spent > 0) throw new Error(`${spent} requests were sent without the database`)
    await restartPostgres()
    causes.ended()
    const backAt = performance.now()
    await drained(120_000)
    const recoveryMs = Math.round(performance.now() - backAt)
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    const repeated = simulator.arrivals().length - SYMBOLS
    if (repeated > CONCURRENCY) throw new Error(`${repeated} requests more than symbols`)
    await causes.judgeable()
    return { recoveryMs }
  },
}
