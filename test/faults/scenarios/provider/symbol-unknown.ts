import { deepEqual, equal, ok } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import { failedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

export const symbolUnknown: Scenario = {
  number: 26,
  title: '200 with `Invalid API call`: those symbols fail for good at once, the others proceed',
  backends: BACKENDS,
  quick: true,
  async run({ http, simulator, sql, random, drained }) {
    const asked = random.shuffled(symbols(10))
    const unknown = asked.slice(0, random.between(1, 3))
    for (const symbol of unknown)
      simulator.rule({ symbol, answer: { kind: 'refusal', refusal: 'invalid_symbol' } })
    const { id } = await http.ingest(random.shuffled(asked))
    await drained()
    for (const symbol of unknown) {
      const attempts = await failedAttempts(sql, symbol)
      deepEqual(
        attempts.map((one) => [one.attempt, one.final, one.class]),
        [[1, true, 'invalid_symbol']],
      )
      ok(attempts[0]?.evidence?.includes('Invalid API call'))
    }
    equal(simulator.arrivals().length, asked.length, 'requests')
    const { status, counts } = await http.run(id)
    deepEqual([status, counts['failed']], ['partial', unknown.length])
  },
}
