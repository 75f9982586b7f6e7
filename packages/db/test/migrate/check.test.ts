import { sql } from 'drizzle-orm'
import type { SQL } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { checkAndReport } from '../../src/migrate/check-report.js'
import { useCheckedDatabase } from './checked-database.js'

const { connection, report, wrongLines, damage } = useCheckedDatabase()

test('nothing is wrong with a database as the programs leave it, and each check says what it saw', async () => {
  const { sound, lines } = await report()
  expect(lines.filter((line) => !line.startsWith('ok'))).toEqual(['Nothing is wrong.'])
  expect(lines).toContain('ok        totals of symbols: as the rows say (6 rows of 3 symbols)')
  expect(sound).toBe(true)
})

describe('what cannot be is named', () => {
  test.each<[string, SQL, RegExp]>([
    [
      'an item without its run',
      sql`DELETE FROM ingest_runs WHERE id = (SELECT run_id FROM ingest_items WHERE symbol = 'X')`,
      /items without a run: 1: [0-9a-f-]{36}\./,
    ],
    [
      'a failure without its item',
      sql`WITH gone AS (DELETE FROM ingest_items WHERE symbol = 'NONE' RETURNING run_id)
          DELETE FROM run_totals USING gone WHERE run_totals.run_id = gone.run_id`,
      /failures without their item: 1: \d+\./,
    ],
    [
      'a failure of another symbol',
      sql`UPDATE ingest_failures SET symbol = 'OTHER'`,
      /failures without their item: 1: \d+\./,
    ],
    [
      'a link without its item',
      sql`WITH gone AS (DELETE FROM ingest_items WHERE symbol = 'X' RETURNING run_id)
          DELETE FROM run_totals USING gone WHERE run_totals.run_id = gone.run_id`,
      /links of rejected rows without an end: 1: \d+\./,
    ],
    [
      'a link without its rejected row',
      sql`DELETE FROM rejected_rows WHERE symbol = 'X'`,
      /links of rejected rows without an end: 1: \d+\./,
    ],
    [
      'a kept answer without its run',
      sql`INSERT INTO idempotency_keys (key, request_hash, run_id, answer) VALUES ('k', 'h', uuidv7(), '{}')`,
      /kept answers without a run: 1: /,
    ],
    [
      'a failed item without a failure',
      sql`UPDATE ingest_failures SET final = false`,
      /failed items without a final failure: 1: \d+\..*retry/,
    ],
    [
      'attempts without failures',
      sql`UPDATE ingest_items SET attempts = 2 WHERE symbol = 'X'`,
      /items with more attempts than failures: 1: \d+\./,
    ],
  ])('%s', async (_what, statement, line) => {
    await damage([statement])
    expect(await wrongLines()).toEqual([expect.stringMatching(line)])
    expect((await report({ repair: true })).sound).toBe(false)
  })
})

test('the check writes nothing', async () => {
  const { db } = connection
  await damage([sql`UPDATE symbols SET row_count = 7 WHERE symbol = 'IBM'`])
  await db.execute(
    sql`ALTER DATABASE ${sql.identifier(new URL(connection.url).pathname.slice(1))} SET default_transaction_read_only = on`,
  )
  const other = connection.open()
  const lines: string[] = []
  await checkAndReport(other.db, { repair: false, print: (line) => lines.push(line) })
  expect(lines.at(-1)).toBe('1 of 13 checks found something wrong.')
})
