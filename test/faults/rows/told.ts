import { equal } from 'node:assert/strict'
import { NEXT_API_KEY } from '../canary.js'
import { INVALID_KEY, replaceKey } from '../key-file.js'
import { endDay } from '../patience.js'
import { TWO_WORKERS } from '../pause.js'
import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

/** Apart from the rows that take seconds: to judge how long a cause is told takes more than a minute. */
export const daySpentTold: Row = {
  number: 24,
  title: 'the day is refused as spent, for 36 s: told within 30 s, and no longer 30 s after its end',
  backends: BACKENDS,
  world: TWO_WORKERS,
  async run(world) {
    const { http, simulator, telling, until, drained } = world
    telling.watch()
    // A key that was accepted already, so that the day is all that is told.
    await http.ingest(['FIRST'])
    await drained()
    simulator.rule({ answer: { kind: 'refusal', refusal: 'daily_limit' } })
    telling.began('quota')
    const { id } = await http.ingest(symbols(12))
    await until('waiting_quota', async () => (await http.run(id)).status === 'waiting_quota')
    await telling.judgeable()
    equal((await http.run(id)).status, 'waiting_quota')

    simulator.clearRules()
    await endDay(world)
    telling.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await telling.judgeable()
    equal((await http.run(id)).status, 'succeeded')
    return { recoveryMs }
  },
}

export const keyInvalidTold: Row = {
  number: 25,
  title: 'the key becomes invalid, for 36 s: told within 30 s, and no longer 30 s after a new one',
  backends: BACKENDS,
  // So slow that work is left when the workers, who look every 5 s, find the new key.
  world: { workers: 2, keyFile: true, limits: { perSecond: 2, perMinute: 0, perDay: 0 } },
  async run({ http, telling, keyFile, until, drained }) {
    telling.watch()
    await http.ingest(['FIRST'])
    await drained()
    await replaceKey(keyFile, INVALID_KEY)
    telling.began('key')
    const { id } = await http.ingest(symbols(30))
    await until('blocked', async () => (await http.run(id)).status === 'blocked')
    await telling.judgeable()
    equal((await http.run(id)).status, 'blocked')

    await replaceKey(keyFile, NEXT_API_KEY)
    telling.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await telling.judgeable()
    equal((await http.run(id)).status, 'succeeded')
    return { recoveryMs }
  },
}
