import { equal, ok } from 'node:assert/strict'
import { startProxy } from '@stockpile/test-harness/proxy'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

/** How soon work goes on after an outage in which nothing could be sent. */
const RECOVERY_LIMIT_MS = 30_000

export const upstreamUnreachable: Scenario = {
  number: 42,
  title:
    'the upstream refuses connections: told as unreachable, no request is lost, goes on within 30 s of its return',
  backends: BACKENDS,
  environment: { workers: 0 },
  async run({ http, programs, simulator, sql, causes, drained, until }) {
    const proxy = await startProxy(simulator.url)
    try {
      await programs.startWorker({ ALPHAVANTAGE_BASE_URL: proxy.url })
      causes.watch()
      await proxy.refuse()
      causes.began('provider')
      const { id } = await http.ingest(symbols(10))
      await causes.judgeable()
      ok((await http.request('/readyz')).text.includes('"provider":"unreachable"'), 'Not told as unreachable')
      equal((await http.run(id)).status, 'blocked')
      equal(simulator.arrivals().length, 0, 'requests')
      await proxy.accept()
      causes.ended()
      const endedAt = performance.now()
      await until('a request', () => simulator.arrivals().length > 0)
      const recoveryMs = Math.round(performance.now() - endedAt)
      await drained()
      await causes.judgeable()
      equal((await http.run(id)).status, 'succeeded')
      ok((await chargedAttempts(sql)) <= 1, 'attempts charged')
      return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
    } finally {
      await proxy.close()
    }
  },
}
