import { equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { INVALID_KEY, replaceKey } from '../../disturbances/key-file.js'
import { BACKENDS } from '../../environment/backends.js'
import { NEXT_API_KEY } from '../../environment/canary.js'
import { symbols } from '../../environment/symbols.js'
import { chargedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

/** Long enough for a worker, which looks at the key every 5 s, to look at least twice. */
const WATCHED_MS = 12_000
const RECOVERY_LIMIT_MS = 15_000

export const keyInvalid: Scenario = {
  number: 25,
  title: '200 with an invalid key: one request and no more, said loudly, work resumes with a new key file',
  backends: BACKENDS,
  quick: true,
  environment: { workers: 2, keyFile: true },
  async run({ http, simulator, sql, programs, keyFile, until, drained }) {
    await replaceKey(keyFile, INVALID_KEY)
    const { id } = await http.ingest(symbols(30))
    await until('blocked', async () => (await http.run(id)).status === 'blocked')
    await sleep(WATCHED_MS)
    equal(simulator.arrivals().length, 1, 'requests with the invalid key')
    equal((await http.run(id)).status, 'blocked')
    equal(await chargedAttempts(sql), 0, 'attempts charged')
    const isLoud = programs
      .outputs()
      .some((output) => /"level":"error",.*does not accept the API key/.test(output))
    ok(isLoud, 'No worker says by an error that the key is not accepted')

    await replaceKey(keyFile, NEXT_API_KEY)
    const replacedAt = performance.now()
    await until('a request', () => simulator.arrivals().length > 1)
    const recoveryMs = Math.round(performance.now() - replacedAt)
    await drained()
    const refused = simulator.arrivals().filter((arrival) => arrival.answer === 'invalid_key')
    equal(refused.length, 1, 'requests with the invalid key')
    equal((await http.run(id)).status, 'succeeded')
    return { recoveryMs, recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
