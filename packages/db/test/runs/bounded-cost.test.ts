import { sql } from 'drizzle-orm'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/database/connection.js'
import { groupFailures, listFailures } from '../../src/runs/failures.js'
import { listRejectedRows, listRejectedRowsOfRun } from '../../src/runs/rejected-rows.js'
import { getRun, listRuns } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const RUN = '00000000-0000-7000-8000-000000000001'
const ITEMS = 2_000
const FAILURES = 10_000
/** How many entries a page of 20 may cost: far fewer than the run has of anything. */
const BOUND = 1_000
/** A place before the first entry, later than every instant. */
const FAR = { at: 4e15, id: 1 }
/** Instants before and after all others. */
const LONG_AGO = '2000-01-01T00:00:00Z'
const SOME_DAY = '2100-01-01T00:00:00Z'

/** Counts the entries of tables and indexes that the work reads. */
async function entriesRead(work: (db: Database) => Promise<unknown>): Promise<number> {
  return connection.db.transaction(async (tx) => {
    const read = async () => {
      const [counted] = await tx.execute<{ entries: number }>(sql`
        SELECT sum(pg_stat_get_xact_tuples_returned(oid) + pg_stat_get_xact_tuples_fetched(oid))::float8 AS entries
          FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')`)
      return counted?.entries ?? 0
    }
    const before = await read()
    await work(tx)
    return (await read()) - before
  })
}

/** One run has nearly everything, among a thousand runs of one item. */
beforeEach(async () => {
  const { db } = connection
  await db.execute(sql`
    INSERT INTO ingest_runs (id, trigger, outputsize, force, priority)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'api', 'auto', false, 'normal' FROM generate_series(1, 1000) AS n`)
  await db.execute(sql`
    INSERT INTO ingest_items (run_id, symbol, state, claim, dispatched_at)
    SELECT id, 'S' || n, 'running', 1, now() FROM ingest_runs, generate_series(1, ${ITEMS}::int) AS n WHERE id = ${RUN}::uuid OR n = 1`)
  await db.execute(sql`
    INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice, failed_at)
    SELECT item.id, run_id, symbol, 1, true, (ARRAY['timeout', 'network'])[1 + n % 2], 'd', 'a', now() - n * interval '1 second'
      FROM ingest_items AS item, generate_series(1, ${FAILURES / ITEMS}::int) AS n`)
  await db.execute(sql`
    UPDATE ingest_items SET state = CASE WHEN id % 2 = 0 THEN 'failed' ELSE 'succeeded' END, finished_at = now(),
           outcome = CASE WHEN id % 2 = 0 THEN NULL ELSE 'fetched' END, rows_updated = 9, rows_fetched = 9`)
  await db.execute(sql`
    INSERT INTO rejected_rows (symbol, raw, reasons) SELECT symbol, to_jsonb(id), '{}' FROM ingest_items`)
  await db.execute(sql`
    INSERT INTO item_rejected_rows SELECT (raw#>>'{}')::bigint, id FROM rejected_rows`)
  await db.execute(sql`ANALYZE`)
})

describe('a look costs what it shows, and not what there is', () => {
  test.each<[string, (db: Database) => Promise<unknown>]>([
    ['at a run', async (db) => expect((await getRun(db, RUN))?.counts.total).toBe(ITEMS)],
    ['at runs', (db) => listRuns(db, { limit: 20, after: { at: 4e15, id: RUN } })],
    ['at items', (db) => listItems(db, RUN, { limit: 20, after: { id: 900 } })],
    ['at failures', (db) => listFailures(db, { limit: 20, after: FAR })],
    ['at failures of a run', (db) => listFailures(db, { runId: RUN, limit: 20, after: FAR })],
    [
      'at failures of a run and a class',
      (db) => listFailures(db, { runId: RUN, class: 'timeout', limit: 20, after: FAR }),
    ],
    [
      'at failures of a run and a class that it has not',
      (db) => listFailures(db, { runId: RUN, class: 'none', limit: 20, offset: 0 }),
    ],
    [
      'at failures of a run and a symbol',
      (db) => listFailures(db, { runId: RUN, symbol: 'S7', limit: 20, offset: 0 }),
    ],
    [
      'at failures of a class that there is not',
      (db) => listFailures(db, { class: 'none', limit: 20, offset: 0 }),
    ],
    ['at failures of a symbol', (db) => listFailures(db, { symbol: 'S7', limit: 20, offset: 0 })],
    ['at failures since an instant', (db) => listFailures(db, { from: LONG_AGO, limit: 20, after: FAR })],
    [
      'at failures since an instant with none',
      (db) => listFailures(db, { from: SOME_DAY, limit: 20, offset: 0 }),
    ],
    [
      'at failures until an instant with none',
      (db) => listFailures(db, { until: LONG_AGO, limit: 20, offset: 0 }),
    ],
    [
      'at failures of a run and a class since an instant',
      (db) => listFailures(db, { runId: RUN, class: 'timeout', from: LONG_AGO, limit: 20, after: FAR }),
    ],
    // Grouping by any filter but a symbol is not bounded: it may read the whole table, even where nothing matches.
    ['at classes of failures of a symbol', (db) => groupFailures(db, { symbol: 'S7' })],
    ['at rejected rows', (db) => listRejectedRows(db, { limit: 20, after: FAR })],
    ['at rejected rows that wait', (db) => listRejectedRows(db, { resolved: false, limit: 20, after: FAR })],
    [
      'at rejected rows that do not, of which there are none',
      (db) => listRejectedRows(db, { resolved: true, limit: 20, offset: 0 }),
    ],
    [
      'at rejected rows of a symbol that do not wait',
      (db) => listRejectedRows(db, { symbol: 'S7', resolved: true, limit: 20, offset: 0 }),
    ],
    [
      'at rejected rows of a run that wait',
      (db) => listRejectedRowsOfRun(db, RUN, { resolved: false, limit: 20, after: { itemId: 900, id: 900 } }),
    ],
    // `resolved: true` is not bounded: no index has it in the order of the run's items, so that each row is looked at.
    [
      'at rejected rows of a run',
      (db) => listRejectedRowsOfRun(db, RUN, { limit: 20, after: { itemId: 900, id: 900 } }),
    ],
    [
      'at rejected rows of a run and a symbol',
      (db) => listRejectedRowsOfRun(db, RUN, { symbol: 'S7', limit: 20, offset: 0 }),
    ],
  ])('%s', async (_what, work) => {
    expect(await entriesRead(work)).toBeLessThan(BOUND)
  })

  test('which a look at all of it would not', async () => {
    const all = (db: Database) =>
      db.execute(sql`SELECT count(*) FROM ingest_items WHERE run_id = ${RUN}::uuid`)
    expect(await entriesRead(all)).toBeGreaterThan(ITEMS - 1)
  })
})
