import { deepEqual, equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../../environment/backends.js'
import { chargedAttempts, failedAttempts } from '../../steps/attempts.js'
import { endDay } from '../../steps/drain-without-waits.js'
import { MOST_UNDER_WAY, TWO_WORKERS } from '../../steps/outlast-refusal.js'
import type { Scenario } from '../scenario.js'

const SETTLED_MS = 3_000
const WATCHED_MS = 5_000

export const upstreamDaySpent: Scenario = {
  number: 24,
  title: '200 with the daily refusal, which echoes the key: waiting_quota, no failures, goes on next day',
  backends: BACKENDS,
  quick: true,
  environment: TWO_WORKERS,
  async run(environment) {
    const { http, simulator, sql, random, until, drained } = environment
    simulator.rule({ nth: random.between(2, 8), answer: { kind: 'refusal', refusal: 'daily_limit' } })
    const { id } = await http.ingest(Array.from({ length: 12 }, (_, index) => `SYM${index}`))
    const refused = () => simulator.arrivals().filter((arrival) => arrival.answer === 'daily_limit')
    await until('waiting_quota', async () => (await http.run(id)).status === 'waiting_quota')
    const [first] = refused()
    if (first === undefined) throw new Error('Nothing was refused')
    await sleep(SETTLED_MS)
    const requests = simulator.arrivals().length
    ok(refused().length <= MOST_UNDER_WAY, `${refused().length} requests were refused`)
    await sleep(WATCHED_MS)
    equal(simulator.arrivals().length - requests, 0, 'requests in the wait')
    equal((await http.run(id)).status, 'waiting_quota')
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    const { text } = await http.request(`/api/ingest/${id}/items?limit=100`)
    const said = await sql<{ detail: string | null }[]>`SELECT said_detail AS detail FROM provider_keys`
    deepEqual([...said], [{ detail: 'The daily quota is spent.' }])
    // The words are the provider's, or those of a worker that found the day of the ledger spent.
    ok(
      /The (daily quota is|requests of this day are) spent\./.test(text),
      `No item says why it waits: ${text}`,
    )

    // An item that is refused for days ends with the provider's words, from which the key is redacted.
    simulator.clearRules()
    const answer = { kind: 'refusal', refusal: 'daily_limit' } as const
    simulator.rule({ symbol: first.symbol, times: 1, answer })
    await sql`
      UPDATE ingest_items SET refused_since = now() - interval '8 days', refusals = 7 WHERE symbol = ${first.symbol}`
    await endDay(environment)
    await until('its end', async () => (await failedAttempts(sql, first.symbol)).length > 0)
    const [failure] = await failedAttempts(sql, first.symbol)
    equal(failure?.class, 'daily_limit')
    ok(failure.evidence?.includes('API key as [redacted]'), `The evidence is ${failure.evidence}`)

    // A worker whose request was refused before the day ended may record the refusal only now.
    await sleep(SETTLED_MS)
    await endDay(environment)
    const freedAt = performance.now()
    await drained()
    equal((await http.run(id)).counts['failed'], 1)
    return { recoveryMs: Math.round(performance.now() - freedAt) }
  },
}
