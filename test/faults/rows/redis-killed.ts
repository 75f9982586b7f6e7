import { equal } from 'node:assert/strict'
import { chargedAttempts } from '../attempts.js'
import { midway } from '../midway.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

export const redisKilled: Row = {
  number: 7,
  title: 'Redis, with its append-only file, is killed in the middle of a run: no accepted item is lost',
  backends: ['redis'],
  world: { redisSettings: { appendonly: 'yes', appendfsync: 'everysec' } },
  async run(world) {
    const { http, redis, sql, drained } = world
    await http.ingest(symbols(20))
    await midway(world, 12)
    await redis?.kill()
    await redis?.start()
    const backAt = performance.now()
    await http.ingest(['LATER'])
    await drained()
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
