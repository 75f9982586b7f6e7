import { equal } from 'node:assert/strict'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import { midway } from '../../steps/midway.js'
import type { Scenario } from '../scenario.js'

export const redisKilled: Scenario = {
  number: 7,
  title: 'Redis, with its append-only file, is killed in the middle of a run: no accepted item is lost',
  backends: ['redis'],
  environment: { redisSettings: { appendonly: 'yes', appendfsync: 'everysec' } },
  async run(environment) {
    const { http, redis, sql, drained } = environment
    await http.ingest(symbols(20))
    await midway(environment, 12)
    await redis?.kill()
    await redis?.start()
    const backAt = performance.now()
    await http.ingest(['LATER'])
    await drained()
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
