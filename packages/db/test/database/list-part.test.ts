import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import { listFailures } from '../../src/runs/failures.js'
import { MAX_COUNTED } from '../../src/database/list-part.js'
import type { PlaceInTime } from '../../src/database/list-part.js'
import { listRejectedRows } from '../../src/runs/rejected-rows.js'
import { listRuns } from '../../src/runs/run-status.js'
import { takenItem, useConnection } from '../database.js'

const connection = useConnection()
const ROWS = 500
/** SQL: instants a microsecond apart, each of them three times. */
const AT = sql`timestamptz '2026-11-27 10:00:00Z' + (n / 3) * interval '1 microsecond'`

interface Listed<Id> {
  id: Id
  at: number
}

/** Reads a list part by part, and returns all of its ids. */
async function walk<Id extends number | string>(
  read: (after: PlaceInTime<Id> | undefined) => Promise<Listed<Id>[]>,
): Promise<Id[]> {
  const ids: Id[] = []
  for (let after: PlaceInTime<Id> | undefined; ;) {
    const entries = await read(after)
    const last = entries.at(-1)
    if (last === undefined) return ids
    ids.push(...entries.map(({ id }) => id))
    after = { at: last.at, id: last.id }
  }
}

describe('a list that is read behind the last entry of the part before', () => {
  beforeEach(async () => {
    const item = await takenItem(connection.db, 'IBM')
    await connection.db.execute(sql`
      INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice, failed_at)
      SELECT ${item.id}, ${item.runId}::uuid, 'IBM', n, false, 'timeout', 'd', 'a', ${AT} FROM generate_series(1, ${ROWS}::int) AS n`)
    await connection.db.execute(sql`
      INSERT INTO rejected_rows (symbol, raw, reasons, last_rejected_at)
      SELECT 'IBM', to_jsonb(n), '{}', ${AT} FROM generate_series(1, ${ROWS}::int) AS n`)
    await connection.db.execute(sql`
      INSERT INTO ingest_runs (trigger, outputsize, force, priority, requested_at)
      SELECT 'api', 'auto', false, 'normal', ${AT} FROM generate_series(1, ${ROWS}::int) AS n`)
  })

  test('has every failure once, newest first', async () => {
    const { failures: all } = await listFailures(connection.db, { limit: 1_000, offset: 0 })
    const walked = await walk<number>(async (after) => {
      const part = after === undefined ? { offset: 0 } : { after }
      return (await listFailures(connection.db, { limit: 7, ...part })).failures
    })
    expect(walked).toStrictEqual(all.map(({ id }) => id))
    expect(walked).toHaveLength(ROWS)
  })

  test('has every rejected row once, the last rejected first', async () => {
    const { rows: all } = await listRejectedRows(connection.db, { limit: 1_000, offset: 0 })
    const walked = await walk<number>(async (after) => {
      const part = after === undefined ? { offset: 0 } : { after }
      return (await listRejectedRows(connection.db, { limit: 7, symbol: 'IBM', ...part })).rows
    })
    expect(walked).toStrictEqual(all.map(({ id }) => id))
    expect(walked).toHaveLength(ROWS)
  })

  test('has every run once, newest first', async () => {
    const { runs: all } = await listRuns(connection.db, { limit: 1_000, offset: 0 })
    const walked = await walk<string>(async (after) => {
      const part = after === undefined ? { offset: 0 } : { after }
      return (await listRuns(connection.db, { limit: 70, ...part })).runs
    })
    expect(walked).toStrictEqual(all.map(({ id }) => id))
    expect(walked).toHaveLength(ROWS + 1)
  })
})

test('entries are counted one by one up to a bound, and estimated above it', async () => {
  const add = (rows: number) =>
    connection.db.execute(sql`
      INSERT INTO rejected_rows (symbol, raw, reasons) SELECT 'S' || n % 2, to_jsonb(random()), '{}' FROM generate_series(1, ${rows}::int) AS n`)
  const count = async (symbol?: string) => {
    const { count: found, isEstimate } = await listRejectedRows(connection.db, {
      limit: 1,
      offset: 0,
      symbol,
    })
    return { found, isEstimate }
  }
  await add(MAX_COUNTED)
  expect(await count()).toStrictEqual({ found: MAX_COUNTED, isEstimate: false })
  await add(4 * MAX_COUNTED)
  await connection.db.execute('ANALYZE rejected_rows')
  expect(await count()).toMatchObject({ isEstimate: true })
  expect(Math.abs((await count()).found ?? 0) / (5 * MAX_COUNTED)).toBeCloseTo(1, 1)
  expect(Math.abs((await count('S1')).found ?? 0) / (2.5 * MAX_COUNTED)).toBeCloseTo(1, 0)
  expect(await count('NONE')).toStrictEqual({ found: 0, isEstimate: false })
})
