import { postLimitMs } from '../scenario.js'
import type { Scenario } from '../scenario.js'

export const redisDownAtPost: Scenario = {
  number: 9,
  title: 'Redis is down at POST: accepted in about a second all the same, drained when it is back',
  backends: ['redis'],
  quick: true,
  async run({ http, redis, random, simulator, drained }) {
    await redis?.kill()
    for (let run = 0; run < 3; run += 1) {
      const { ms } = await http.ingest(random.shuffled([`A${run}`, `B${run}`, `C${run}`]))
      if (ms > postLimitMs()) throw new Error(`POST took ${ms} ms while Redis was down`)
    }
    if (simulator.arrivals().length > 0) throw new Error('Something was requested without a queue')
    await redis?.start()
    const backAt = performance.now()
    await drained()
    const requested = simulator.arrivals().map((arrival) => arrival.symbol)
    if (new Set(requested).size !== requested.length) throw new Error('A symbol was requested twice')
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
