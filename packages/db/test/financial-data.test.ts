import { expect, test } from 'vitest'
import { averageBySymbol, listFinancialData } from '../src/financial-data.js'
import { packBars } from '../src/bars.js'
import { upsertBars } from '../src/upsert.js'
import { bar, useConnection } from './database.js'

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

test('averages are exact and round half up', async () => {
  const flat = (price: string, volume: string) => ({
    open: price,
    high: price,
    low: price,
    close: price,
    volume,
  })
  await store('IBM', bar('2024-01-02', flat('0.0001', '1')), bar('2024-01-03', flat('0.0002', '2')))
  expect(
    await averageBySymbol(connection.db, ['IBM'], { startDate: '2024-01-01', endDate: '2024-01-31' }),
  ).toEqual([{ symbol: 'IBM', averageOpenPrice: '0.0002', averageClosePrice: '0.0002', averageVolume: '2' }])
})

test('a known symbol without days in the range has nulls, an unknown one is null, in the order asked for', async () => {
  await store('IBM', bar('2024-01-02'))
  expect(
    await averageBySymbol(connection.db, ['NOSUCH', 'IBM'], {
      startDate: '2023-01-01',
      endDate: '2023-12-31',
    }),
  ).toEqual([null, { symbol: 'IBM', averageOpenPrice: null, averageClosePrice: null, averageVolume: null }])
})
