import { residentBytes } from '../memory.js'
import { midway } from '../midway.js'
import { postLimitMs } from '../row.js'
import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

const POSTS = 20
const GROWTH_LIMIT_BYTES = 64 * 1024 * 1024

export const queueFrozen: Row = {
  number: 11,
  title: 'the queue is frozen: POST stays bounded, nothing piles up, it is told, all is done afterwards',
  backends: BACKENDS,
  async run(world) {
    const { http, programs, queue, telling, drained } = world
    const { api } = programs
    if (api === undefined) throw new Error('There is no API')
    telling.watch()
    await http.ingest(symbols(10))
    await midway(world, 6)
    const before = await residentBytes(api.pid)
    telling.began('queue')
    await queue.freeze()
    const posts = await Promise.all(symbols(POSTS, 'MORE').map((symbol) => http.ingest([symbol])))
    const one = await http.ingest(['LAST'])
    const slowest = Math.max(...posts.map((post) => post.ms), one.ms)
    const growth = (await residentBytes(api.pid)) - before
    await telling.judgeable()
    await queue.thaw()
    telling.ended()
    const thawedAt = performance.now()
    if (slowest > postLimitMs()) throw new Error(`POST took ${slowest} ms while the queue was frozen`)
    if (growth > GROWTH_LIMIT_BYTES) throw new Error(`The API grew by ${growth} bytes`)
    await drained()
    const recoveryMs = Math.round(performance.now() - thawedAt)
    await telling.judgeable()
    return { recoveryMs }
  },
}
