import { BACKENDS } from '../row.js'
import type { Row } from '../row.js'
import { residentBytes } from '../memory.js'

const POSTS = 20
/** The promise is a second; the rest is for a busy machine. */
const POST_LIMIT_MS = 2_500
const GROWTH_LIMIT_BYTES = 64 * 1024 * 1024

export const queueFrozen: Row = {
  number: 11,
  title: 'the queue is frozen: POST stays bounded, nothing piles up, all is done afterwards',
  backends: BACKENDS,
  async run({ http, programs, queue, random, simulator, until, drained }) {
    const { api } = programs
    if (api === undefined) throw new Error('There is no API')
    await http.ingest(Array.from({ length: 10 }, (_, index) => `SYM${index}`))
    const moment = random.between(1, 6)
    await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
    const before = await residentBytes(api.pid)
    await queue.freeze()
    const posts = await Promise.all(
      Array.from({ length: POSTS }, (_, index) => http.ingest([`MORE${index}`])),
    )
    const one = await http.ingest(['LAST'])
    const slowest = Math.max(...posts.map((post) => post.ms), one.ms)
    const growth = (await residentBytes(api.pid)) - before
    await queue.thaw()
    const thawedAt = performance.now()
    if (slowest > POST_LIMIT_MS) throw new Error(`POST took ${slowest} ms while the queue was frozen`)
    if (growth > GROWTH_LIMIT_BYTES) throw new Error(`The API grew by ${growth} bytes`)
    await drained()
    return { recoveryMs: Math.round(performance.now() - thawedAt) }
  },
}
