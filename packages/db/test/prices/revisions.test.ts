import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bar } from '@stockpile/domain/bar'
import { packBars } from '../../src/prices/bars.js'
import { listFinancialData } from '../../src/prices/financial-data.js'
import { listRevisions } from '../../src/prices/revisions.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()
const store = (bars: Bar[]) => connection.db.transaction((tx) => upsertBars(tx, 'IBM', packBars(bars)))
const page = { limit: 100, offset: 0 }
/** An instant of the database's clock, between the transactions that committed before and those that begin later. */
async function now(): Promise<string> {
  const [row] = await connection.db.execute<{ now: string }>(`SELECT clock_timestamp()::text AS now`)
  if (row === undefined) throw new Error('no clock')
  return row.now
}

describe('a restatement', () => {
  test('keeps what was stored and what it became, in the transaction that changes it', async () => {
    await store([bar('2024-01-02'), bar('2024-01-03')])
    expect(await store([bar('2024-01-02', { close: '11.5000' }), bar('2024-01-03')])).toEqual({
      inserted: 0,
      updated: 1,
      unchanged: 1,
    })
    const { revisions, count } = await listRevisions(connection.db, { symbol: 'IBM' }, page)
    expect(count).toBe(1)
    expect(revisions).toMatchObject([
      { symbol: 'IBM', date: '2024-01-02', old: { close_price: '11.0000' }, new: { close_price: '11.5000' } },
    ])
    await expect(
      connection.db.transaction(async (tx) => {
        await upsertBars(tx, 'IBM', packBars([bar('2024-01-02', { close: '9.5000' })]))
        throw new Error('rolled back')
      }),
    ).rejects.toThrow('rolled back')
    expect((await listRevisions(connection.db, { symbol: 'IBM' }, page)).count).toBe(1)
  })

  test('does not hide what was stored at any instant before it', async () => {
    const values = fc.record({ date: fc.integer({ min: 2, max: 5 }), close: fc.integer({ min: 9, max: 12 }) })
    const fetches = fc.array(fc.array(values, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fetches, async (list) => {
        await connection.db.execute('TRUNCATE financial_data, price_revisions, symbols')
        const seen: { at: string; rows: unknown }[] = [{ at: await now(), rows: [] }]
        for (const fetched of list) {
          const bars = new Map(
            fetched.map(({ date, close }) => [date, bar(`2024-01-0${date}`, { close: `${close}.0000` })]),
          )
          await store([...bars.values()].toSorted((one, other) => one.date.localeCompare(other.date)))
          const { rows } = await listFinancialData(connection.db, { symbols: ['IBM'] }, page)
          seen.push({ at: await now(), rows })
        }
        for (const { at, rows } of seen) {
          for (const symbols of [['IBM'], ['IBM', 'NOSUCH']]) {
            const then = await listFinancialData(connection.db, { symbols, asOf: at }, page)
            expect(then).toMatchObject({ rows, count: then.rows.length })
          }
        }
      }),
      { numRuns: 15 },
    )
  })
})
