import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Bar } from '@stockpile/domain/bar'
import { packBars } from '../../src/prices/bars.js'
import { listFinancialData } from '../../src/prices/financial-data.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()
const store = (symbol: string, bars: Bar[]) =>
  connection.db.transaction((tx) => upsertBars(tx, symbol, packBars(bars)))

/** The place of each row in the table, which changes when the row is rewritten. */
const places = async () =>
  (
    await connection.db.execute<{ ctid: string }>(
      sql`SELECT ctid::text FROM financial_data ORDER BY symbol, date`,
    )
  ).map((row) => row.ctid)

describe('upserting the bars of a symbol', () => {
  test('tells inserted, updated and unchanged rows apart', async () => {
    expect(await store('IBM', [bar('2024-01-02'), bar('2024-01-03')])).toEqual({
      inserted: 2,
      updated: 0,
      unchanged: 0,
    })
    const changed = [bar('2024-01-02', { close: '11.5000' }), bar('2024-01-03'), bar('2024-01-04')]
    expect(await store('IBM', changed)).toEqual({ inserted: 1, updated: 1, unchanged: 1 })
    const { rows } = await listFinancialData(connection.db, {}, { limit: 10, offset: 0 })
    expect(rows.map((row) => row.close_price)).toEqual(['11.5000', '11.0000', '11.0000'])
  })

  test('does not touch a row that did not change', async () => {
    const bars = [bar('2024-01-02'), bar('2024-01-03')]
    await store('IBM', bars)
    const before = await places()
    expect(await store('IBM', bars)).toEqual({ inserted: 0, updated: 0, unchanged: 2 })
    expect(await places()).toEqual(before)
  })

  test('takes the same value with other decimals for unchanged', async () => {
    await store('IBM', [bar('2024-01-02', { open: '10.5000' })])
    expect(await store('IBM', [bar('2024-01-02', { open: '10.5' })])).toEqual({
      inserted: 0,
      updated: 0,
      unchanged: 1,
    })
  })

  test('writes nothing of bars with a repeated date', async () => {
    await expect(store('IBM', [bar('2024-01-02'), bar('2024-01-02', { close: '9.5000' })])).rejects.toThrow(
      'Failed query',
    )
    expect((await listFinancialData(connection.db, {}, { limit: 1, offset: 0 })).count).toBe(0)
  })

  test('keeps a volume as it was written, fractions too, and takes 12345.0 for 12345', async () => {
    await store('IBM', [
      bar('2024-01-02', { volume: '6321507.562155' }),
      bar('2024-01-03', { volume: '12345' }),
    ])
    const again = await store('IBM', [bar('2024-01-03', { volume: '12345.0' })])
    expect(again).toMatchObject({ inserted: 0, updated: 0, unchanged: 1 })
    const { rows } = await listFinancialData(connection.db, {}, { limit: 2, offset: 0 })
    expect(rows.map((row) => row.volume)).toEqual(['6321507.562155', '12345'])
  })

  test.each([
    ['NaN', { open: 'NaN', high: 'NaN', low: 'NaN', close: 'NaN' }],
    ['an infinite high', { high: 'Infinity' }],
    ['a negative price', { low: '-1' }],
    ['high below low', { high: '8', low: '9' }],
    ['an open outside of low..high', { open: '12.0001' }],
    ['a negative volume', { volume: '-1' }],
    ['a volume of NaN', { volume: 'NaN' }],
  ])('the table itself refuses %s', async (_what, values) => {
    await expect(store('IBM', [bar('2024-01-02', values)])).rejects.toThrow('Failed query')
  })

  test('keeps the symbol’s totals exact under concurrent writers', async () => {
    const days = (from: number) =>
      Array.from({ length: 20 }, (_, day) => bar(`2024-01-${String(from + day).padStart(2, '0')}`))
    await Promise.all([
      store('IBM', days(1)),
      store('IBM', days(5)),
      store('IBM', days(10)),
      store('AAPL', days(1)),
    ])
    const totals = await connection.db.execute(sql`
      SELECT symbol, row_count, first_date, last_date,
             (SELECT count(*)::int FROM financial_data WHERE financial_data.symbol = symbols.symbol) AS counted,
             days_between(first_day, days, '-infinity', 'infinity')::int AS days
        FROM symbols LEFT JOIN symbol_days USING (symbol) ORDER BY symbol`)
    expect([...totals]).toEqual([
      {
        symbol: 'AAPL',
        row_count: 20,
        first_date: '2024-01-01',
        last_date: '2024-01-20',
        counted: 20,
        days: 20,
      },
      {
        symbol: 'IBM',
        row_count: 29,
        first_date: '2024-01-01',
        last_date: '2024-01-29',
        counted: 29,
        days: 29,
      },
    ])
  })

  test('keeps the totals exact whoever writes the table, by symbol and by the first two characters', async () => {
    const { db } = connection
    const totals = async () => {
      const kept = await db.execute(sql`
        SELECT symbol, row_count::int AS rows, first_date AS first, last_date AS last FROM symbols WHERE row_count <> 0 ORDER BY symbol`)
      const counted = await db.execute(sql`
        SELECT symbol, count(*)::int AS rows, min(date) AS first, max(date) AS last FROM financial_data GROUP BY symbol ORDER BY symbol`)
      expect([...kept]).toEqual([...counted])
      const prefixes = await db.execute(sql`
        SELECT prefix, symbol_count AS symbols, row_count::int AS rows FROM symbol_prefixes WHERE row_count <> 0 ORDER BY prefix`)
      const grouped = await db.execute(sql`
        SELECT left(symbol, 2) AS prefix, count(DISTINCT symbol)::int AS symbols, count(*)::int AS rows
          FROM financial_data GROUP BY 1 ORDER BY 1`)
      expect([...prefixes]).toEqual([...grouped])
      const days = await db.execute(sql`
        SELECT symbol, first_day + place - 1 AS date FROM symbol_days, generate_series(1, length(days)) AS place
         WHERE get_bit(days, place - 1) = 1 ORDER BY symbol, date`)
      expect([...days]).toEqual([
        ...(await db.execute(sql`SELECT symbol, date FROM financial_data ORDER BY symbol, date`)),
      ])
      const [all] = await db.execute<{ symbols: string; prefixes: string }>(sql`
        SELECT (SELECT sum(version) FROM symbols)::text AS symbols, (SELECT sum(version) FROM symbol_prefixes)::text AS prefixes`)
      return all
    }
    await db.execute(sql`
      INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
      SELECT symbol, date, 1, 1, 1, 1, 1
        FROM unnest(ARRAY['A', 'AA', 'AAPL', 'IBM']) AS symbol, generate_series('2024-01-01'::date, '2024-01-09', '1 day') AS date`)
    const versions = [await totals()]
    for (const change of [
      sql`UPDATE financial_data SET volume = 2 WHERE symbol = 'AAPL'`,
      sql`INSERT INTO financial_data (symbol, date, open_price, high_price, low_price, close_price, volume)
          SELECT 'AAPL', date, 1, 1, 1, 1, 1 FROM unnest('{2024-02-29,2023-12-29,2024-01-15}'::date[]) AS date`,
      sql`UPDATE financial_data SET date = date + 40 WHERE symbol = 'IBM' AND date > '2024-01-06'`,
      sql`UPDATE financial_data SET symbol = 'AAPM' WHERE symbol = 'AAPL' AND date >= '2024-01-05'`,
      sql`DELETE FROM financial_data WHERE date < '2024-01-03' OR symbol = 'A'`,
      sql`TRUNCATE financial_data`,
    ]) {
      await db.execute(change)
      const after = await totals()
      for (const before of versions) {
        expect(after?.symbols).not.toBe(before?.symbols)
        expect(after?.prefixes).not.toBe(before?.prefixes)
      }
      versions.push(after)
    }
    await db.execute(sql`DELETE FROM financial_data`)
    expect(await totals()).toEqual(versions.at(-1))
  })

  test('gives back every value digit for digit', async () => {
    const price = fc
      .tuple(fc.bigInt(0n, 10n ** 12n), fc.integer({ min: 0, max: 8 }), fc.bigInt(0n, 10n ** 8n))
      .map(([whole, decimals, fraction]) =>
        decimals === 0
          ? `${whole}`
          : `${whole}.${String(fraction % 10n ** BigInt(decimals)).padStart(decimals, '0')}`,
      )
    const volume = fc.bigInt(0n, 2n ** 63n - 1n).map(String)
    await fc.assert(
      fc.asyncProperty(price, volume, async (value, shares) => {
        const same = { open: value, high: value, low: value, close: value, volume: shares }
        await connection.db.execute(sql`TRUNCATE financial_data`)
        await store('IBM', [bar('2024-01-02', same)])
        const { rows } = await listFinancialData(connection.db, {}, { limit: 1, offset: 0 })
        expect(rows).toEqual([
          {
            symbol: 'IBM',
            date: '2024-01-02',
            open_price: value,
            high_price: value,
            low_price: value,
            close_price: value,
            volume: shares,
          },
        ])
      }),
      { numRuns: 30 },
    )
  })
})

test('reads of a symbol are served by the index alone', async () => {
  await store('IBM', [bar('2024-01-02')])
  await connection.db.execute(sql`VACUUM ANALYZE financial_data`)
  const plan = await connection.db.transaction(async (tx) => {
    await tx.execute(sql`SET LOCAL enable_seqscan = off`)
    await tx.execute(sql`SET LOCAL enable_bitmapscan = off`)
    return tx.execute(
      sql`EXPLAIN SELECT open_price, high_price, low_price, close_price, volume FROM financial_data WHERE symbol = 'IBM'`,
    )
  })
  expect(JSON.stringify(plan)).toContain('Index Only Scan using financial_data_pkey')
})
