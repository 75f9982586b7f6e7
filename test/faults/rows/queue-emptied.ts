import { BACKENDS } from '../backends.js'
import { midway } from '../midway.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

export const queueEmptied: Row = {
  number: 8,
  title: 'the queue is emptied in the middle of a run: the unfinished is rebuilt from PostgreSQL',
  backends: BACKENDS,
  quick: true,
  async run(world) {
    const { http, queue, random, drained } = world
    await http.ingest(random.shuffled(symbols(20)))
    await midway(world, 12)
    await queue.empty()
    const emptiedAt = performance.now()
    await drained()
    return { recoveryMs: Math.round(performance.now() - emptiedAt) }
  },
}
