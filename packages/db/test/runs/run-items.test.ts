import { expect, test } from 'vitest'
import { countUnfinished } from '../../src/runs/run-items.js'
import { createRun } from '../../src/runs/runs.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()

test('What is unfinished is counted by runs and by what is left of them', async () => {
  expect(await countUnfinished(connection.db)).toEqual({ runs: 0, items: 0 })
  await createRun(connection.db, runOf(['IBM', 'AAPL']))
  const taken = await takenItem(connection.db, 'MSFT')
  expect(await countUnfinished(connection.db)).toEqual({ runs: 2, items: 3 })
  await storeSeries(connection.db, taken, series())
  expect(await countUnfinished(connection.db)).toEqual({ runs: 1, items: 2 })
})
