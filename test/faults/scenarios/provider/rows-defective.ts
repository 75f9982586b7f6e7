import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Defect } from '@stockpile/alphavantage/simulator'
import { servedRows, storedRows } from '../../invariants/upstream-rows.js'
import { drainWithoutWaits } from '../../steps/drain-without-waits.js'
import type { Scenario } from '../scenario.js'

/** Each defect of a row, and the reason that its rejected row must have. */
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
  { defect: 'before_1900', reason: 'before_1900' },
  { defect: 'weekend_date', reason: 'weekend_date' },
  { defect: 'missing_field', reason: 'missing_close' },
  { defect: 'empty_value', reason: 'missing_close' },
  { defect: 'exponent', reason: 'not_a_number' },
  { defect: 'volume_out_of_range', reason: 'volume_out_of_range' },
  { defect: 'volume_negative', reason: 'negative' },
  { defect: 'nul', reason: 'not_a_number' },
]
/** Dates that come twice: of equal rows one is stored, of contradicting ones neither, since nobody can say which is right. */
const REPEATS = [
  { symbol: 'TWICE', alike: true, rejected: 1, stored: 1, reason: 'repeated_date' },
  { symbol: 'CONFLICT', alike: false, rejected: 2, stored: 0, reason: 'conflicting_date' },
]
const COMPACT_ROWS = 100

export const rowsDefective: Scenario = {
  number: 33,
  title:
    'poison rows of 19 kinds, repeated dates included: each is quarantined with its reason, the rest stored; a sound one resolves it',
  backends: ['redis'],
  quick: true,
  async run(environment) {
    const { http, simulator, sql, random, drained } = environment
    const damaged = DEFECTS.map(({ defect, reason }) => ({
      defect,
      reason,
      symbol: defect.toUpperCase().replaceAll('_', ''),
      row: random.between(0, COMPACT_ROWS - 1),
    }))
    for (const { symbol, defect, row } of damaged)
      simulator.rule({ symbol, answer: { kind: 'bad_row', defect, row } })
    const repeated = REPEATS.map((one) => ({ ...one, row: random.between(0, COMPACT_ROWS - 1) }))
    for (const { symbol, alike, row } of repeated)
      simulator.rule({ symbol, answer: { kind: 'repeated_date', row, alike } })
    const symbols = [...damaged, ...repeated].map((one) => one.symbol)
    await http.ingest(random.shuffled(symbols))
    await drainWithoutWaits(environment)
    const expected = [...damaged.map((one) => ({ ...one, rejected: 1, stored: 0 })), ...repeated]
    for (const { symbol, reason, row, rejected, stored } of expected) {
      const kept = await sql<
        { reasons: string[] }[]
      >`SELECT reasons FROM rejected_rows WHERE symbol = ${symbol}`
      equal(kept.length, rejected, `rejected rows of ${symbol}`)
      for (const { reasons } of kept) ok(reasons.includes(reason), `${symbol}: ${reasons.join()}`)
      const served = await servedRows(environment, symbol, 'compact')
      deepEqual(await storedRows(environment, symbol), served.toSpliced(row, 1 - stored), `rows of ${symbol}`)
      const [account] = await sql<{ rows: number[] }[]>`
        SELECT ARRAY[rows_fetched, rows_inserted, rows_rejected] AS rows FROM ingest_items WHERE symbol = ${symbol}`
      const sound = COMPACT_ROWS - 1 + stored
      deepEqual(account?.rows, [sound + rejected, sound, rejected], `the account of ${symbol}`)
    }

    simulator.clearRules()
    await http.ingest(symbols, { force: true })
    await drained()
    const unresolved = await sql`
      SELECT FROM rejected_rows WHERE resolved_at IS NULL AND date <= current_date
         AND NOT reasons && '{before_1900,weekend_date}'`
    equal(unresolved.length, 0, 'rejected rows of days that have a sound one now')
  },
}
