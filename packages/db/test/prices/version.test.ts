import { expect, test } from 'vitest'
import type { Bar } from '@stockpile/domain/bar'
import { packBars } from '../../src/prices/bars.js'
import { listFinancialData, listFinancialDataAfter } from '../../src/prices/financial-data.js'
import type { FinancialDataQuery } from '../../src/prices/financial-data-query.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { readKnownVersion, readVersion } from '../../src/prices/version.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()
const store = (symbol: string, ...bars: Bar[]) =>
  connection.db.transaction((tx) => upsertBars(tx, symbol, packBars(bars)))
const versionOf = async (query: FinancialDataQuery, offset = 0) =>
  (await listFinancialData(connection.db, query, { limit: 2, offset })).version

const QUERIES: FinancialDataQuery[] = [
  {},
  { order: 'desc' },
  { latest: true },
  { startDate: '2024-01-03' },
  { symbols: ['IBM'] },
  { symbols: ['IBM'], latest: true },
  { symbols: ['IBM'], endDate: '2024-01-02', asOf: '2100-01-01T00:00:00Z' },
  { symbols: ['IBM', 'AAPL', 'NOSUCH'] },
  { symbols: ['IBM', 'AAPL'], startDate: '2024-01-03', order: 'desc' },
]

test.each(QUERIES)(
  'a page of %j has the version that a look at it alone says, past its end too',
  async (query) => {
    for (const symbol of ['IBM', 'AAPL', 'MSFT']) await store(symbol, bar('2024-01-02'), bar('2024-01-03'))
    const before = await readVersion(connection.db, query.symbols)
    expect(await versionOf(query)).toBe(before)
    expect(await versionOf(query, 1_000)).toBe(before)
    for (const after of [
      { symbol: 'IBM', date: '2024-01-02' },
      { symbol: 'ZZZ', date: '2024-01-02' },
    ])
      expect(await listFinancialDataAfter(connection.db, query, after, 2)).toHaveProperty('version', before)
    await store('IBM', bar('2024-01-02', { close: '11.0001' }))
    const after = await versionOf(query)
    expect(after).toBe(await readVersion(connection.db, query.symbols))
    expect(BigInt(after)).toBeGreaterThan(BigInt(before))
  },
)

test('a version is that of the symbols asked for: others change nothing, unknown ones have 0', async () => {
  await store('IBM', bar('2024-01-02'))
  const before = await readVersion(connection.db, ['IBM', 'NOSUCH'])
  await store('AAPL', bar('2024-01-02'))
  expect(await readVersion(connection.db, ['IBM', 'NOSUCH'])).toBe(before)
  expect(await readVersion(connection.db, ['NOSUCH'])).toBe('0')
  expect(await versionOf({ symbols: ['NOSUCH'] })).toBe('0')
  expect(await readVersion(connection.db, undefined)).not.toBe(before)
})

test('symbols have a known version when all of them have rows', async () => {
  await store('IBM', bar('2024-01-02'))
  expect(await readKnownVersion(connection.db, ['IBM'])).toBe(await readVersion(connection.db, ['IBM']))
  expect(await readKnownVersion(connection.db, ['IBM', 'NOSUCH'])).toBeUndefined()
  await connection.db.execute(`DELETE FROM financial_data`)
  expect(await readKnownVersion(connection.db, ['IBM'])).toBeUndefined()
})
