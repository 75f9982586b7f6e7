import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FinancialDataQuery, Position } from '../../src/prices/financial-data-query.js'
import { rowsAfter, valuesAfter } from '../../src/prices/rows-after.js'
import { compile, runOnce } from '../../src/database/statement.js'
import { answerOf, insertRows, queries, storeTable, tables } from './financial-data-model.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const limits = fc.integer({ min: 1, max: 7 })

/** Compiles a statement each time, so that its answer does not depend on statements before it. */
function rowsOfQuery(query: FinancialDataQuery, after: Position | null, limit: number): Promise<Position[]> {
  const statement = compile(rowsAfter(query, after !== null))
  return runOnce<Position>(connection.db, statement, valuesAfter(query, after, limit))
}

/** Reads a query step by step. @param between is called after each step but the last */
async function walk(query: FinancialDataQuery, limit: number, between?: (at: Position) => Promise<void>) {
  const walked: Position[] = []
  for (;;) {
    const rows = await rowsOfQuery(query, walked.at(-1) ?? null, limit)
    walked.push(...rows.map(({ symbol, date }) => ({ symbol, date })))
    const last = rows.at(-1)
    if (rows.length < limit || last === undefined) return walked
    await between?.(last)
  }
}

test('a walk has each row of the query once, in order, whatever the size of its steps', async () => {
  await fc.assert(
    fc.asyncProperty(tables, queries, limits, async (table, query, limit) => {
      await storeTable(connection.db, table)
      expect(await walk(query, limit)).toEqual(answerOf(table, query))
    }),
    { numRuns: 200 },
  )
})

test('a walk is not disturbed by rows that come behind it', async () => {
  const query = { order: 'asc' } as const
  await fc.assert(
    fc.asyncProperty(tables, limits, async (table, limit) => {
      await storeTable(connection.db, table)
      const walked = await walk(query, limit, async ({ symbol, date }) => {
        const behind = [
          { symbol: '1', date },
          { symbol, date: '2023-01-01' },
        ]
        await insertRows(
          connection.db,
          behind.filter((row) => !known.has(`${row.symbol} ${row.date}`)),
        )
        for (const row of behind) known.add(`${row.symbol} ${row.date}`)
      })
      known.clear()
      expect(walked).toEqual(answerOf(table, query))
    }),
    { numRuns: 50 },
  )
})
const known = new Set<string>()

test('a row carries the values as they are stored', async () => {
  await storeTable(connection.db, [{ symbol: 'IBM', date: '2024-01-02' }])
  for (const query of [{}, { symbols: ['IBM'] }, { symbols: ['A', 'IBM'] }, { latest: true }]) {
    expect(await rowsOfQuery(query, null, 5)).toEqual([
      {
        symbol: 'IBM',
        date: '2024-01-02',
        open_price: '10',
        high_price: '12',
        low_price: '9',
        close_price: '11',
        volume: '1000',
      },
    ])
  }
})
