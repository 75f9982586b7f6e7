import { deepEqual, equal } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { storedRows } from '../../invariants/upstream-rows.js'
import { failedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

export const upstreamCut: Scenario = {
  number: 19,
  title: 'the connection breaks without an answer, or in the middle of it: asked for again, no partial rows',
  backends: BACKENDS,
  quick: true,
  async run({ http, simulator, sql, random, until, drained }) {
    for (const symbol of ['CUT0', 'CUT1', 'CUT2'])
      simulator.rule({ symbol, times: 1, answer: { kind: 'cut', afterBytes: random.between(0, 10_000) } })
    simulator.rule({ symbol: 'RESET', times: 1, answer: { kind: 'reset' } })
    const shuffled = random.shuffled(['CUT0', 'CUT1', 'CUT2', 'RESET'])
    let brokenAt = 0
    // Two symbols at a time: three failures in a row would count as an outage of the provider.
    for (const broken of [shuffled.slice(0, 2), shuffled.slice(2)]) {
      const { id } = await http.ingest(random.shuffled([...broken, `SOUND${broken[0]}`]))
      for (const symbol of broken) {
        await until(`the failure of ${symbol}`, async () => (await failedAttempts(sql, symbol)).length > 0)
        // The second attempt is at least 2.5 s away.
        const requests = simulator.arrivals().filter((arrival) => arrival.symbol === symbol)
        if (requests.length === 1)
          deepEqual(await storedRows({ sql }, symbol), [], `rows of half of ${symbol}`)
      }
      brokenAt = performance.now()
      await drained()
      for (const symbol of broken)
        deepEqual(
          (await failedAttempts(sql, symbol)).map((one) => [one.attempt, one.final, one.class]),
          [[1, false, 'network']],
        )
      equal((await http.run(id)).status, 'succeeded')
    }
    return { recoveryMs: Math.round(performance.now() - brokenAt) }
  },
}
