import { equal } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

const STARTS = 20
/** More symbols than the limit lets out at once, so that the later ones get slots a window after the first. */
const SYMBOLS = 12

/** I4 finds out whether a window was exceeded. */
export const coldStarts: Scenario = {
  number: 51,
  title:
    'a worker starts cold 20 times with work waiting, and the upstream answers after 3 s: no window is exceeded',
  backends: BACKENDS,
  environment: {
    workers: 0,
    concurrency: 8,
    latencyMs: 3_000,
    limits: { perSecond: 5, perMinute: 0, perDay: 0 },
  },
  async run({ http, programs, simulator, sql, until, drained }) {
    // Until the provider accepts a key, workers send one request at a time.
    await http.ingest(['FIRST'])
    const first = await programs.startWorker()
    await drained()
    await programs.stop(first)
    for (let start = 0; start < STARTS; start += 1) {
      const before = simulator.arrivals().length
      await http.ingest(symbols(SYMBOLS, `COLD${start}N`))
      const worker = await programs.startWorker()
      await until('the requests of a cold worker', () => simulator.arrivals().length >= before + SYMBOLS)
      equal(await programs.stop(worker), 0, 'exit code')
    }
    await drained()
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    equal(simulator.arrivals().length, 1 + STARTS * SYMBOLS, 'requests')
  },
}
