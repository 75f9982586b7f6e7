import { deepEqual, equal, ok } from 'node:assert/strict'
import { failedAttempts } from '../attempts.js'
import { drainWithoutWaits } from '../patience.js'
import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { storedRows } from '../upstream-rows.js'

const MOST_ATTEMPTS = 3

export const upstreamNonsense: Row = {
  number: 27,
  title: "200 with `{}`, another symbol's data, unknown keys: failed, evidence kept, never stored",
  backends: BACKENDS,
  quick: true,
  async run(world) {
    const { http, simulator, sql, random } = world
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
    await drainWithoutWaits(world)
    for (const symbol of Object.keys(strange)) {
      const attempts = await failedAttempts(sql, symbol)
      ok(attempts.length > 0 && attempts.length <= MOST_ATTEMPTS, `${attempts.length} attempts of ${symbol}`)
      ok(attempts.at(-1)?.final, `${symbol} did not end failed`)
      ok(
        attempts.every((one) => one.evidence !== null),
        `A failure of ${symbol} has no evidence`,
      )
      deepEqual(await storedRows(world, symbol), [], `rows of ${symbol}`)
    }
    deepEqual(await storedRows(world, 'OTHER'), [], 'rows of a symbol that nobody asked for')
    equal((await http.run(id)).counts['failed'], Object.keys(strange).length)
  },
}
