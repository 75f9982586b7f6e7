import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listFinancialData } from '../../src/prices/financial-data.js'
import { answerOf, queries, storeTable, tables } from './financial-data-model.js'
import { useConnection } from '../database.js'

const connection = useConnection()

test('a page and its count are those of the filtered and sorted rows, at any offset', async () => {
  const limits = fc.integer({ min: 1, max: 9 })
  const offsets = fc.integer({ min: 0, max: 25 })
  await fc.assert(
    fc.asyncProperty(
      tables,
      fc.array(fc.tuple(queries, limits, offsets), { minLength: 1 }),
      async (table, asked) => {
        await storeTable(connection.db, table)
        for (const [query, limit, offset] of asked) {
          const expected = answerOf(table, query)
          const { rows, count } = await listFinancialData(connection.db, query, { limit, offset })
          expect(count).toBe(expected.length)
          expect(rows.map(({ symbol, date }) => ({ symbol, date }))).toEqual(
            expected.slice(offset, offset + limit),
          )
        }
      },
    ),
    { numRuns: 150 },
  )
})
