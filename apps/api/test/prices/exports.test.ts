import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { problemOf, useApp } from '../app.js'

describe('an export from the database', () => {
  const context = useApp({ shared: true })

  test('has every bar once, in order, although it is read in parts', async () => {
    // The last row of each symbol is the last row of a chunk, and 30,000 rows end with a chunk.
    await context.db.execute(`
      INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
      SELECT (ARRAY['=A B', '@S', 'S1'])[1 + day % 3], DATE '1900-01-01' + day, 1, 1, 1, 1, day FROM generate_series(1, 30000) AS day`)
    const linesOf = async (query: string) =>
      (await context.app.inject(`/api/financial_data?${query}`)).body.split(/\r?\n/).slice(0, -1)
    const [, ...rows] = await linesOf('format=csv')
    // Symbols that look like formulas have an apostrophe before them.
    const keys = rows.map((row) => row.replace(/^'/, '').split(',').slice(0, 2).join(' '))
    expect(keys).toStrictEqual([...new Set(keys)].toSorted())
    expect(keys).toHaveLength(30_000)

    const keyOf = (line: string) => {
      const { symbol, date } = z.object({ symbol: z.string(), date: z.string() }).parse(JSON.parse(line))
      return `${symbol} ${date}`
    }
    expect((await linesOf('format=ndjson')).map(keyOf)).toStrictEqual(keys)
    expect((await linesOf('format=ndjson&order=desc')).map(keyOf)).toStrictEqual(keys.toReversed())
    expect((await linesOf('format=ndjson&symbol=S1')).map(keyOf)).toStrictEqual(
      keys.filter((key) => key.startsWith('S1')),
    )
    // Exports go on by symbol and date even where fields leaves those out.
    for (const [name, column] of [
      ['symbol', 0],
      ['date', 1],
      ['volume', 6],
    ] as const)
      expect((await linesOf(`format=csv&fields=${name}`)).slice(1)).toStrictEqual(
        rows.map((row) => row.split(',')[column]),
      )
  })

  test('that fails before it begins is a problem like any other', async () => {
    await context.db.execute('ALTER TABLE financial_data RENAME TO away')
    const answer = await context.app.inject('/api/financial_data?format=csv')
    await context.db.execute('ALTER TABLE away RENAME TO financial_data')
    expect(problemOf(answer, 500).status).toBe(500)
    for (const header of ['etag', 'cache-control', 'content-disposition'])
      expect(answer.headers).not.toHaveProperty(header)
  })
})
