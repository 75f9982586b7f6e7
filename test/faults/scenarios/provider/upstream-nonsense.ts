import { deepEqual, equal, ok } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { storedRows } from '../../invariants/upstream-rows.js'
import { failedAttempts } from '../../steps/attempts.js'
import { drainWithoutWaits } from '../../steps/drain-without-waits.js'
import type { Scenario } from '../scenario.js'

const MOST_ATTEMPTS = 3

export const upstreamNonsense: Scenario = {
  number: 27,
  title: "200 with `{}`, another symbol's data, unknown keys: failed, evidence kept, never stored",
  backends: BACKENDS,
  quick: true,
  async run(environment) {
    const { http, simulator, sql, random } = environment
    const strange = {
      EMPTY: { kind: 'empty_object' },
      OTHERS: { kind: 'other_symbol' },
      UNKNOWN: { kind: 'refusal', refusal: 'unrecognized', variant: 'unknown_key' },
      PIGEONS: { kind: 'refusal', refusal: 'unrecognized', variant: 'note' },
      WEEKLY: {
        kind: 'raw',
        body: '{"Meta Data": {"2. Symbol": "WEEKLY"}, "Weekly Time Series": {"2024-01-05": {}}}',
      },
    } as const
    for (const [symbol, answer] of Object.entries(strange)) simulator.rule({ symbol, answer })
    const { id } = await http.ingest(random.shuffled([...Object.keys(strange), 'SOUND']))
    await drainWithoutWaits(environment)
    for (const symbol of Object.keys(strange)) {
      const attempts = await failedAttempts(sql, symbol)
      ok(attempts.length > 0 && attempts.length <= MOST_ATTEMPTS, `${attempts.length} attempts of ${symbol}`)
      ok(attempts.at(-1)?.final, `${symbol} did not end failed`)
      ok(
        attempts.every((one) => one.evidence !== null),
        `A failure of ${symbol} has no evidence`,
      )
      deepEqual(await storedRows(environment, symbol), [], `rows of ${symbol}`)
    }
    deepEqual(await storedRows(environment, 'OTHER'), [], 'rows of a symbol that nobody asked for')
    equal((await http.run(id)).counts['failed'], Object.keys(strange).length)
  },
}
