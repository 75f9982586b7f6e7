import { residentBytes } from '../../../servers/memory.js'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { midway } from '../../steps/midway.js'
import { postLimitMs } from '../scenario.js'
import type { Scenario } from '../scenario.js'

const POSTS = 20
const GROWTH_LIMIT_BYTES = 64 * 1024 * 1024

export const queueFrozen: Scenario = {
  number: 11,
  title: 'the queue is frozen: POST stays bounded, nothing piles up, it is told, all is done afterwards',
  backends: BACKENDS,
  async run(environment) {
    const { http, programs, queue, causes, drained } = environment
    const { api } = programs
    if (api === undefined) throw new Error('There is no API')
    causes.watch()
    await http.ingest(symbols(10))
    await midway(environment, 6)
    const before = await residentBytes(api.pid)
    causes.began('queue')
    await queue.freeze()
    const posts = await Promise.all(symbols(POSTS, 'MORE').map((symbol) => http.ingest([symbol])))
    const one = await http.ingest(['LAST'])
    const slowest = Math.max(...posts.map((post) => post.ms), one.ms)
    const growth = (await residentBytes(api.pid)) - before
    await causes.judgeable()
    await queue.thaw()
    causes.ended()
    const thawedAt = performance.now()
    if (slowest > postLimitMs()) throw new Error(`POST took ${slowest} ms while the queue was frozen`)
    if (growth > GROWTH_LIMIT_BYTES) throw new Error(`The API grew by ${growth} bytes`)
    await drained()
    const recoveryMs = Math.round(performance.now() - thawedAt)
    await causes.judgeable()
    return { recoveryMs }
  },
}
