import { expect, test } from 'vitest'
import { listFinancialData } from '../../src/prices/financial-data.js'
import { packBars } from '../../src/prices/bars.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()
const store = (symbol: string, ...bars: ReturnType<typeof bar>[]) =>
  connection.db.transaction((tx) => upsertBars(tx, symbol, packBars(bars)))

test('bars come by symbol bytewise, then by date, a page at a time with the exact count', async () => {
  await store('a', bar('2024-01-02'))
  await store('B', bar('2024-01-03'), bar('2024-01-02'))
  await store('BRK-B', bar('2024-01-02'))
  const page = async (offset: number) => {
    const { rows, count } = await listFinancialData(connection.db, {}, { limit: 2, offset })
    return { keys: rows.map((row) => `${row.symbol} ${row.date}`), count }
  }
  expect(await page(0)).toEqual({ keys: ['B 2024-01-02', 'B 2024-01-03'], count: 4 })
  expect(await page(2)).toEqual({ keys: ['BRK-B 2024-01-02', 'a 2024-01-02'], count: 4 })
  expect(await page(4)).toEqual({ keys: [], count: 4 })
})

test('both ends of a date range are inside it', async () => {
  await store('IBM', bar('2024-01-02'), bar('2024-01-03'), bar('2024-01-04'))
  const { rows, count } = await listFinancialData(
    connection.db,
    { symbols: ['IBM'], startDate: '2024-01-03', endDate: '2024-01-04' },
    { limit: 5, offset: 0 },
  )
  expect(rows.map((row) => row.date)).toEqual(['2024-01-03', '2024-01-04'])
  expect(count).toBe(2)
})
