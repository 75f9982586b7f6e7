import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { findWrongEntries } from '../../src/migrate/derived-data.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import { pruneRun } from '../../src/runs/retention.js'
import { getRun } from '../../src/runs/run-status.js'
import { cancelRun, createRun, retryRun } from '../../src/runs/runs.js'
import { failure, runOf, series, useConnection } from '../database.js'

const connection = useConnection()
const symbols = (count: number) => Array.from({ length: count }, (_, index) => `S${index}`)

async function wrongRuns(): Promise<number> {
  return (await findWrongEntries(connection.db)).run_totals.entries
}

test('the totals of a run are what its items say, whatever many workers do to them at the same time', async () => {
  const { id, items } = await createRun(connection.db, runOf(symbols(60)))
  const left = [...items]
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { db } = connection.open()
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const item = await takeItem(db, next.id)
        if (item === null) throw new Error('the item could not be taken')
        const kind = next.id % 3
        if (kind === 0) await storeSeries(db, item, series())
        else
          await failAttempt(
            db,
            item,
            { ...failure, class: kind === 1 ? 'timeout' : 'network' },
            { final: true },
          )
      }
    }),
  )
  expect(await wrongRuns()).toBe(0)
  expect(await getRun(connection.db, id)).toMatchObject({
    status: 'partial',
    counts: { total: 60, pending: 0, running: 0, succeeded: 20, failed: 40, cancelled: 0 },
    rows: { fetched: 40, inserted: 40 },
    failures: [
      { class: 'network', count: 20 },
      { class: 'timeout', count: 20 },
    ],
  })

  await retryRun(connection.db, id)
  expect(await wrongRuns()).toBe(0)
  expect(await getRun(connection.db, id)).toMatchObject({
    status: 'blocked',
    finishedAt: null,
    counts: { pending: 40, succeeded: 20, failed: 0 },
    failures: [],
  })
  await cancelRun(connection.db, id)
  expect(await wrongRuns()).toBe(0)
  expect(await getRun(connection.db, id)).toMatchObject({ status: 'cancelled', counts: { cancelled: 40 } })
})

test('who finishes an item waits for nobody who finishes another of the same run', async () => {
  const { id, items } = await createRun(connection.db, runOf(['A', 'B']))
  const [a, b] = await Promise.all(items.map((item) => takeItem(connection.db, item.id)))
  if (!a || !b) throw new Error('not taken')
  const other = connection.open()
  await connection.db.transaction(async (tx) => {
    await storeSeries(tx, a, series())
    // The transaction around this call ends only after the call: if the call had to wait for it, both would wait for ever.
    await storeSeries(other.db, b, series())
    expect((await getRun(other.db, id))?.counts).toMatchObject({ running: 1, succeeded: 1 })
  })
  expect((await getRun(connection.db, id))?.counts).toMatchObject({ running: 0, succeeded: 2 })
  expect(await wrongRuns()).toBe(0)
})

test('a large run is deleted a batch at a time, and its totals are right after each', async () => {
  const { id } = await createRun(connection.db, runOf(symbols(250)))
  await cancelRun(connection.db, id)
  await connection.db.execute(sql`UPDATE ingest_runs SET requested_at = requested_at - interval '40 days'`)
  await connection.db.execute(sql`UPDATE ingest_items SET finished_at = finished_at - interval '40 days'`)
  const totals = []
  for (let deleted = 'items'; deleted === 'items';) {
    deleted = await pruneRun(connection.db, { olderThanDays: 30 })
    expect(await wrongRuns()).toBe(0)
    totals.push((await getRun(connection.db, id))?.counts.total)
  }
  expect(totals).toEqual([150, 50, undefined])
  expect(await connection.db.execute(sql`SELECT FROM run_totals`)).toHaveLength(0)
})
