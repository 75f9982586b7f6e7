import { deepEqual, equal, ok } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { storedRows } from '../../invariants/upstream-rows.js'
import { failedAttempts } from '../../steps/attempts.js'
import { drainWithoutWaits } from '../../steps/drain-without-waits.js'
import type { Scenario } from '../scenario.js'

const ATTEMPTS = 3

export const upstreamGarbled: Scenario = {
  number: 20,
  title: 'half a JSON, an HTML page, a bare null with 200: bad_payload, 3 tries, evidence kept',
  backends: BACKENDS,
  quick: true,
  async run(environment) {
    const { http, simulator, sql, random } = environment
    simulator.rule({ symbol: 'HALF', answer: { kind: 'invalid_json' } })
    simulator.rule({ symbol: 'PAGE', answer: { kind: 'html' } })
    simulator.rule({ symbol: 'NOTHING', answer: { kind: 'raw', body: 'null' } })
    const { id } = await http.ingest(random.shuffled(['HALF', 'PAGE', 'NOTHING', 'SOUND']))
    await drainWithoutWaits(environment)
    for (const [symbol, evidence] of [
      ['HALF', 'Meta Data'],
      ['PAGE', 'Be right back'],
      ['NOTHING', 'null'],
    ] as const) {
      const attempts = await failedAttempts(sql, symbol)
      equal(attempts.length, ATTEMPTS, `attempts of ${symbol}`)
      for (const [index, one] of attempts.entries()) {
        equal(one.class, 'bad_payload')
        equal(one.final, index === ATTEMPTS - 1)
        ok(one.evidence?.includes(evidence), `The evidence of ${symbol} is ${one.evidence}`)
      }
      deepEqual(await storedRows(environment, symbol), [], `rows of ${symbol}`)
    }
    equal((await http.run(id)).status, 'partial')
  },
}
