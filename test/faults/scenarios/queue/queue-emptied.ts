import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { midway } from '../../steps/midway.js'
import type { Scenario } from '../scenario.js'

export const queueEmptied: Scenario = {
  number: 8,
  title: 'the queue is emptied in the middle of a run: the unfinished is rebuilt from PostgreSQL',
  backends: BACKENDS,
  quick: true,
  async run(environment) {
    const { http, queue, random, drained } = environment
    await http.ingest(random.shuffled(symbols(20)))
    await midway(environment, 12)
    await queue.empty()
    const emptiedAt = performance.now()
    await drained()
    return { recoveryMs: Math.round(performance.now() - emptiedAt) }
  },
}
