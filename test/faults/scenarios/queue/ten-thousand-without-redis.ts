import { equal, ok } from 'node:assert/strict'
import { busyness } from '@stockpile/test-harness/patience'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

const SYMBOLS = 10_000
const POST_LIMIT_MS = 2_000
const DRAIN_DEADLINE_MS = 480_000

export const tenThousandWithoutRedis: Scenario = {
  number: 9,
  title:
    '10,000 symbols are posted while Redis is down: accepted in 2 s, each requested once when it is back',
  backends: ['redis'],
  environment: { concurrency: 16, limits: { perSecond: 0, perMinute: 0, perDay: 0 } },
  async run({ http, redis, random, simulator, drained }) {
    // A first run warms the processes up, so that no start is measured.
    await http.ingest(['WARM'])
    await drained()
    await redis?.kill()
    const { id, ms } = await http.ingest(random.shuffled(symbols(SYMBOLS)))
    equal(simulator.arrivals().length, 1, 'requests without a queue')
    await redis?.start()
    const backAt = performance.now()
    await drained(DRAIN_DEADLINE_MS)
    const recoveryMs = Math.round(performance.now() - backAt)
    const requested = simulator.arrivals().slice(1)
    equal(requested.length, SYMBOLS, 'requests')
    equal(new Set(requested.map((arrival) => arrival.symbol)).size, SYMBOLS, 'symbols requested')
    equal((await http.run(id)).status, 'succeeded')
    // This check is the last, since on a busy machine it may fail without a defect.
    ok(ms <= POST_LIMIT_MS * busyness(), `POST took ${ms} ms while Redis was down`)
    return { recoveryMs }
  },
}
