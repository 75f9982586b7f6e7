import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Defect } from '@stockpile/alphavantage/simulator'
import { failedAttempts } from '../attempts.js'
import { drainWithoutWaits } from '../patience.js'
import type { Row } from '../row.js'
import { servedRows, storedRows } from '../upstream-rows.js'

/** What can be wrong with a row, and why it is not stored. */
const DEFECTS: { defect: Defect; reason: string }[] = [
  { defect: 'nan', reason: 'not_a_number' },
  { defect: 'infinity', reason: 'not_a_number' },
  { defect: 'negative', reason: 'negative' },
  { defect: 'zero_close', reason: 'zero_price' },
  { defect: 'high_below_low', reason: 'high_below_low' },
  { defect: 'close_outside', reason: 'close_outside_range' },
  { defect: 'not_a_date', reason: 'not_a_date' },
  { defect: 'impossible_date', reason: 'not_a_date' },
  { defect: 'future_date', reason: 'future_date' },
  { defect: 'missing_field', reason: 'missing_close' },
  { defect: 'empty_value', reason: 'missing_close' },
  { defect: 'exponent', reason: 'not_a_number' },
  { defect: 'volume_2_63', reason: 'volume_out_of_range' },
  { defect: 'volume_negative', reason: 'negative' },
  { defect: 'volume_fraction', reason: 'volume_not_an_integer' },
  { defect: 'nul', reason: 'not_a_number' },
]
const COMPACT_ROWS = 100

export const rowsDefective: Row = {
  number: 33,
  title:
    'poison rows of 16 kinds: each is quarantined with its reason, the rest stored; a sound one resolves it',
  backends: ['redis'],
  quick: true,
  async run(world) {
    const { http, simulator, sql, random, drained } = world
    const damaged = DEFECTS.map(({ defect, reason }) => ({
      defect,
      reason,
      symbol: defect.toUpperCase().replaceAll('_', ''),
      row: random.between(0, COMPACT_ROWS - 1),
    }))
    for (const { symbol, defect, row } of damaged)
      simulator.rule({ symbol, answer: { kind: 'bad_row', defect, row } })
    // Which of two rows of a day is right cannot be told: such a body is no sound series, and nothing of it is stored.
    simulator.rule({ symbol: 'TWICE', answer: { kind: 'repeated_date', row: random.between(0, 99) } })
    const symbols = [...damaged.map((one) => one.symbol), 'TWICE']
    await http.ingest(random.shuffled(symbols))
    await drainWithoutWaits(world)
    for (const { symbol, defect, reason, row } of damaged) {
      const rejected = await sql<{ reasons: string[]; raw: unknown }[]>`
        SELECT reasons, raw FROM rejected_rows WHERE symbol = ${symbol}`
      equal(rejected.length, 1, `rejected rows of ${symbol}`)
      ok(rejected[0]?.reasons.includes(reason), `${defect}: ${rejected[0]?.reasons.join()}`)
      const served = await servedRows(world, symbol, 'compact')
      deepEqual(await storedRows(world, symbol), served.toSpliced(row, 1), `rows of ${symbol}`)
    }
    const repeated = await failedAttempts(sql, 'TWICE')
    ok(repeated.length > 0 && repeated.every((one) => one.class === 'bad_payload' && one.evidence !== null))
    deepEqual(await storedRows(world, 'TWICE'), [])

    simulator.clearRules()
    await http.ingest(symbols, { force: true })
    await drained()
    const unresolved = await sql`
      SELECT FROM rejected_rows WHERE resolved_at IS NULL AND date <= current_date`
    equal(unresolved.length, 0, 'rejected rows of days that have a sound one now')
  },
}
