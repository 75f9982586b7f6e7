import { equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

const OUTAGE_MS = 600_000
/**
 * Three failures make an outage, other places of the worker may have sent a request each meanwhile, and one probe follows
 * after 5, 10, 20 and every further 25 s: with fewer probes no worker could know within 30 s that the outage is over.
 */
const MOST_REQUESTS = 30
/** The next probe comes at most 25 s after the end of the outage; the rest is for its answer. */
const RECOVERY_LIMIT_MS = 30_000
/** The first two failures are recorded and cost an attempt each, since only the third shows the outage. */
const MOST_CHARGED = 4

export const upstreamOutage: Scenario = {
  number: 54,
  title: 'the upstream answers 503 to everything for ten minutes: told, few requests, nothing fails, goes on',
  backends: BACKENDS,
  deadlineMs: OUTAGE_MS + 600_000,
  async run({ http, simulator, sql, random, causes, drained, until }) {
    causes.watch()
    simulator.rule({ answer: { kind: 'status', status: 503 } })
    causes.began('provider')
    const beganMs = performance.now()
    const { id } = await http.ingest(random.shuffled(symbols(60)))
    await causes.judgeable()
    ok((await http.request('/readyz')).text.includes('"provider":"failing"'), 'Not told as failing')
    await sleep(beganMs + OUTAGE_MS - performance.now())
    ok(simulator.arrivals().length <= MOST_REQUESTS, `${simulator.arrivals().length} requests in ten minutes`)
    // The outage ends at a random moment between two probes, so that no lucky moment makes the recovery short.
    await sleep(random.between(0, 25_000))
    const during = simulator.arrivals()
    const { status, counts } = await http.run(id)
    equal(status, 'blocked')
    equal(counts['failed'], 0, 'failed items')
    const probed = new Set(during.map((one) => one.symbol)).size
    ok(probed >= during.length / 2, `${during.length} requests were of ${probed} symbols`)
    const charged = await chargedAttempts(sql)
    ok(charged <= MOST_CHARGED, `${charged} attempts and failures`)

    simulator.clearRules()
    causes.ended()
    const endedAt = performance.now()
    await until('a request', () => simulator.arrivals().length > during.length)
    const recoveryMs = Math.round(performance.now() - endedAt)
    await drained()
    await causes.judgeable()
    equal((await http.run(id)).status, 'succeeded')
    ok((await chargedAttempts(sql)) <= MOST_CHARGED, 'attempts charged')
    return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
