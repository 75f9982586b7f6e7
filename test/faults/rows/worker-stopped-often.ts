import { setTimeout as sleep } from 'node:timers/promises'
import { BACKENDS } from '../row.js'
import type { Row } from '../row.js'

const TIMES = 20

export const workerStoppedOften: Row = {
  number: 5,
  title: 'SIGTERM during jobs, 20 times: each ends with 0, nothing is failed or asked for twice',
  backends: BACKENDS,
  world: { limits: { perSecond: 0, perMinute: 0, perDay: 0 }, latencyMs: 300 },
  async run({ http, sql, programs, simulator, random, drained }) {
    await http.ingest(Array.from({ length: 150 }, (_, index) => `SYM${index}`))
    for (let time = 0; time < TIMES; time += 1) {
      const { worker } = programs
      // At any moment of its work, not at its end.
      await sleep(random.between(0, 400))
      const [code] = await Promise.all([programs.stop(worker), programs.startWorker()])
      if (code !== 0) throw new Error(`The worker ended with ${code} at SIGTERM number ${time + 1}`)
    }
    const stoppedAt = performance.now()
    await drained()
    const failures = await sql`SELECT FROM ingest_failures`
    if (failures.length > 0) throw new Error(`${failures.length} attempts failed`)
    const requested = simulator.arrivals().map((arrival) => arrival.symbol)
    if (new Set(requested).size !== requested.length)
      throw new Error(`${requested.length} requests for ${new Set(requested).size} symbols`)
    return { recoveryMs: Math.round(performance.now() - stoppedAt) }
  },
}
