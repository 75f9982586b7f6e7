import { equal, ok } from 'node:assert/strict'
import { startProxy } from '@stockpile/test-harness/proxy'
import { chargedAttempts } from '../attempts.js'
import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

/** Of the end of an outage in which nothing could be sent. */
const RECOVERY_LIMIT_MS = 30_000

export const upstreamUnreachable: Row = {
  number: 42,
  title:
    'the upstream refuses connections: told as unreachable, no request is lost, goes on within 30 s of its return',
  backends: BACKENDS,
  world: { workers: 0 },
  async run({ http, programs, simulator, sql, telling, drained, until }) {
    const proxy = await startProxy(simulator.url)
    try {
      await programs.startWorker({ ALPHAVANTAGE_BASE_URL: proxy.url })
      telling.watch()
      await proxy.refuse()
      telling.began('provider')
      const { id } = await http.ingest(symbols(10))
      await telling.judgeable()
      ok((await http.request('/readyz')).text.includes('"provider":"unreachable"'), 'Not told as unreachable')
      equal((await http.run(id)).status, 'blocked')
      equal(simulator.arrivals().length, 0, 'requests')
      await proxy.accept()
      telling.ended()
      const endedAt = performance.now()
      await until('a request', () => simulator.arrivals().length > 0)
      const recoveryMs = Math.round(performance.now() - endedAt)
      await drained()
      await telling.judgeable()
      equal((await http.run(id)).status, 'succeeded')
      ok((await chargedAttempts(sql)) <= 1, 'attempts charged')
      return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
    } finally {
      await proxy.close()
    }
  },
}
