import { BACKENDS } from '../row.js'
import type { Row } from '../row.js'

export const queueEmptied: Row = {
  number: 8,
  title: 'the queue is emptied in the middle of a run: the unfinished is rebuilt from PostgreSQL',
  backends: BACKENDS,
  quick: true,
  async run({ http, simulator, queue, random, until, drained }) {
    const symbols = random.shuffled(Array.from({ length: 20 }, (_, index) => `SYM${index}`))
    await http.ingest(symbols)
    const moment = random.between(1, 12)
    await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
    await queue.empty()
    const emptiedAt = performance.now()
    await drained()
    return { recoveryMs: Math.round(performance.now() - emptiedAt) }
  },
}
