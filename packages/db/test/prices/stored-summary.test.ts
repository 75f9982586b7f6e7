import { expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { createRun } from '../../src/runs/runs.js'
import { readStored } from '../../src/prices/stored-summary.js'
import { bar, runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()

test('What is stored is counted whole, and the symbols that were fetched last are named first', async () => {
  expect(await readStored(connection.db, 2)).toEqual({ symbols: 0, rows: 0, newest: [] })
  for (const symbol of ['IBM', 'AAPL', 'MSFT'])
    await storeSeries(connection.db, await takenItem(connection.db, symbol), series())
  const one = series({ bars: packBars([bar('2024-01-02')]) })
  await storeSeries(connection.db, await takenItem(connection.db, 'NVDA'), one)
  // A symbol that was asked for and has no rows.
  await createRun(connection.db, runOf(['TSLA']))
  expect(await readStored(connection.db, 2)).toEqual({
    symbols: 4,
    rows: 7,
    newest: [
      { symbol: 'NVDA', rows: 1 },
      { symbol: 'MSFT', rows: 2 },
    ],
  })
})
