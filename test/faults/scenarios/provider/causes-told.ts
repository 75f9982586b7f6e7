import { equal } from 'node:assert/strict'
import { INVALID_KEY, replaceKey } from '../../disturbances/key-file.js'
import { BACKENDS } from '../../environment/backends.js'
import { NEXT_API_KEY } from '../../environment/canary.js'
import { symbols } from '../../environment/symbols.js'
import { endDay } from '../../steps/drain-without-waits.js'
import { TWO_WORKERS } from '../../steps/outlast-refusal.js'
import type { Scenario } from '../scenario.js'

/** The long half of scenario 24: it takes more than a minute to judge how long a cause is told. */
export const daySpentTold: Scenario = {
  number: 24,
  title: 'the day is refused as spent, for 36 s: told within 30 s, and no longer 30 s after its end',
  backends: BACKENDS,
  environment: TWO_WORKERS,
  async run(environment) {
    const { http, simulator, causes, until, drained } = environment
    causes.watch()
    // A first answer shows that the key is good, so that the spent day is the only cause.
    await http.ingest(['FIRST'])
    await drained()
    simulator.rule({ answer: { kind: 'refusal', refusal: 'daily_limit' } })
    causes.began('quota')
    const { id } = await http.ingest(symbols(12))
    await until('waiting_quota', async () => (await http.run(id)).status === 'waiting_quota')
    await causes.judgeable()
    equal((await http.run(id)).status, 'waiting_quota')

    simulator.clearRules()
    await endDay(environment)
    causes.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await causes.judgeable()
    equal((await http.run(id)).status, 'succeeded')
    return { recoveryMs }
  },
}

/** The long half of scenario 25. */
export const keyInvalidTold: Scenario = {
  number: 25,
  title: 'the key becomes invalid, for 36 s: told within 30 s, and no longer 30 s after a new one',
  backends: BACKENDS,
  // The limit is so low that work is left when the workers, which look every 5 s, find the new key.
  environment: { workers: 2, keyFile: true, limits: { perSecond: 2, perMinute: 0, perDay: 0 } },
  async run({ http, causes, keyFile, until, drained }) {
    causes.watch()
    await http.ingest(['FIRST'])
    await drained()
    await replaceKey(keyFile, INVALID_KEY)
    causes.began('key')
    const { id } = await http.ingest(symbols(30))
    await until('blocked', async () => (await http.run(id)).status === 'blocked')
    await causes.judgeable()
    equal((await http.run(id)).status, 'blocked')

    await replaceKey(keyFile, NEXT_API_KEY)
    causes.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await causes.judgeable()
    equal((await http.run(id)).status, 'succeeded')
    return { recoveryMs }
  },
}
