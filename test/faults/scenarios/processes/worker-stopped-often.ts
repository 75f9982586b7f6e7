import { equal } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

const TIMES = 20

export const workerStoppedOften: Scenario = {
  number: 5,
  title: 'SIGTERM during jobs, 20 times: each ends with 0, nothing is failed or asked for twice',
  backends: BACKENDS,
  environment: { limits: { perSecond: 0, perMinute: 0, perDay: 0 }, latencyMs: 300 },
  async run({ http, sql, programs, simulator, random, drained }) {
    await http.ingest(symbols(150))
    for (let time = 0; time < TIMES; time += 1) {
      const { worker } = programs
      // SIGTERM comes at a random moment of the work.
      await sleep(random.between(0, 400))
      const [code] = await Promise.all([programs.stop(worker), programs.startWorker()])
      if (code !== 0) throw new Error(`The worker ended with ${code} at SIGTERM number ${time + 1}`)
    }
    const stoppedAt = performance.now()
    await drained()
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    const requested = simulator.arrivals().map((arrival) => arrival.symbol)
    if (new Set(requested).size !== requested.length)
      throw new Error(`${requested.length} requests for ${new Set(requested).size} symbols`)
    return { recoveryMs: Math.round(performance.now() - stoppedAt) }
  },
}
