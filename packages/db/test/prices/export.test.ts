import { BAR_COLUMNS } from '@stockpile/domain/bar'
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { lineOf, readExportChunk } from '../../src/prices/export.js'
import { upsertBars } from '../../src/prices/upsert.js'
import { bar, useConnection } from '../database.js'

const connection = useConnection()

test.each(['csv', 'ndjson'] as const)(
  'a line of %s has an empty cell for a null, so that no value moves to another column',
  async (format) => {
    const line = lineOf(BAR_COLUMNS, format, new Set(['open_price', 'volume']))
    const rows = await connection.db.execute<{ line: string }>(sql`
      SELECT ${line} AS line
        FROM (VALUES ('IBM', date '2024-01-02', 10.50, 12, 9, 11, 1000), ('IBM', '2024-01-03', NULL, 12, 9, 11, NULL))
          AS bar (${sql.raw(BAR_COLUMNS.join(', '))})`)
    expect(rows.map((row) => row.line)).toEqual([
      'IBM,2024-01-02,10.50,12,9,11,1000',
      'IBM,2024-01-03,,12,9,11,',
    ])
  },
)

test('a chunk has the columns that were asked for, and says where the next one goes on', async () => {
  const bars = packBars([bar('2024-01-02'), bar('2024-01-03')])
  await connection.db.transaction((tx) => upsertBars(tx, 'IBM', bars))
  const first = { symbol: 'IBM', date: '2024-01-02' }
  for (const [columns, line] of [
    [BAR_COLUMNS, 'IBM,2024-01-02,10.0000,12.0000,9.0000,11.0000,1000'],
    [['close_price', 'volume'], '11.0000,1000'],
  ] as const) {
    const { text, last } = await readExportChunk(connection.db, {}, { columns, format: 'csv' }, null, 1)
    expect({ text: text?.toString(), last }).toEqual({ text: `${line}\r\n`, last: first })
  }
})
