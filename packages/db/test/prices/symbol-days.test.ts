import { waitFor } from '@stockpile/test-harness/process'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Database } from '../../src/database/connection.js'
import { listFinancialData } from '../../src/prices/financial-data.js'
import { useConnection } from '../database.js'
import { insertRows } from './financial-data-model.js'

const connection = useConnection()

/** Days over some years, before and after a leap day, with gaps of any length. */
const day = fc
  .date({ min: new Date('1999-11-01'), max: new Date('2004-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const days = fc.uniqueArray(day, { maxLength: 12 })

describe('the days of a symbol', () => {
  test('count what is stored in any range, however it came and went', async () => {
    const { db } = connection
    await fc.assert(
      fc.asyncProperty(days, days, days, fc.tuple(day, day), async (first, more, gone, ends) => {
        const [startDate, endDate] = ends.toSorted()
        await db.execute(sql`TRUNCATE financial_data`)
        await insertRows(db, first.map(ofIbm))
        await insertRows(db, more.filter((date) => !first.includes(date)).map(ofIbm))
        // Some of the days are stored already.
        const left = [...new Set([...first, ...more])].filter(
          (date, index) => index % 3 > 0 && !gone.includes(date),
        )
        await db.execute(
          sql`DELETE FROM financial_data WHERE date <> ALL (ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(left)}::text::jsonb))::date[])`,
        )
        for (const range of [{ startDate, endDate }, { startDate }, { endDate }]) {
          const { startDate: from = '', endDate: to = '9' } = range
          const expected = left.filter((date) => date >= from && date <= to).length
          for (const symbols of [['IBM'], ['IBM', 'AAPL'], undefined]) {
            const { count } = await listFinancialData(db, { ...range, symbols }, { limit: 1, offset: 0 })
            expect(count).toBe(expected)
          }
        }
      }),
      { numRuns: 40 },
    )
  })

  test.each([
    ['goes', sql`DELETE FROM financial_data WHERE date = '2024-01-02'`, ['2024-01-03', '2024-01-31']],
    [
      'moves',
      sql`UPDATE financial_data SET date = '2023-12-29' WHERE date = '2024-01-02'`,
      ['2023-12-29', '2024-01-03', '2024-01-31'],
    ],
  ])('are right when a row %s while another transaction brings one', async (_what, change, expected) => {
    const { db } = connection
    await insertRows(db, ['2024-01-02', '2024-01-03'].map(ofIbm))
    let changed: Promise<unknown> = Promise.resolve()
    await db.transaction(async (tx) => {
      await insertRows(tx, [ofIbm('2024-01-31')])
      // Its snapshot begins now, and sees only committed rows.
      changed = db.execute(change)
      changed.catch(() => {})
      await waitFor(
        async () => (await tx.execute(sql`SELECT 1 FROM pg_locks WHERE NOT granted`)).length > 0,
        {
          deadlineMs: 10_000,
        },
      )
    })
    await changed
    expect(await daysOf(db)).toEqual(expected)
    const [ends] = await db.execute(sql`SELECT row_count, first_date, last_date FROM symbols`)
    expect(ends).toEqual({ row_count: expected.length, first_date: expected[0], last_date: expected.at(-1) })
  })
})

const ofIbm = (date: string) => ({ symbol: 'IBM', date })

async function daysOf(db: Database) {
  const rows = await db.execute<{ date: string }>(sql`
    SELECT (first_day + place - 1)::text AS date FROM symbol_days, generate_series(1, length(days)) AS place
     WHERE get_bit(days, place - 1) = 1 ORDER BY date`)
  return rows.map((row) => row.date)
}
