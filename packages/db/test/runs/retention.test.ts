import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { findWrongEntries } from '../../src/migrate/derived-data.js'
import { listFailures } from '../../src/runs/failures.js'
import { oncePerKey } from '../../src/runs/idempotency.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import { listRejectedRows } from '../../src/runs/rejected-rows.js'
import { pruneRun } from '../../src/runs/retention.js'
import { getRun } from '../../src/runs/run-status.js'
import { createRun, createStartRun, retryRun } from '../../src/runs/runs.js'
import { bar, failure, runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()
const OLD = { olderThanDays: 30 }
const page = { limit: 10, offset: 0 }

/** Moves all runs so many days into the past. */
async function age(days: number): Promise<void> {
  const earlier = (column: string) => sql.raw(`${column} = ${column} - interval '${days} days'`)
  await connection.db.execute(sql`UPDATE ingest_runs SET ${earlier('requested_at')}`)
  await connection.db.execute(sql`UPDATE ingest_items SET ${earlier('finished_at')}`)
}

describe('a run that finished long ago', () => {
  test('is deleted with its items, its failures and its key, and no other is', async () => {
    const failed = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, failed, failure, { final: true })
    await oncePerKey(
      connection.db,
      { key: 'k', request: 1 },
      async () => ({ runId: failed.runId, answer: {} }),
      async () => ({}),
    )
    await age(31)
    const { id: unfinished } = await createRun(connection.db, runOf(['AAPL']))
    await age(31)
    const { id: young } = await createRun(connection.db, runOf(['AAPL']))
    expect(await pruneRun(connection.db, OLD)).toBe('run')
    expect(await pruneRun(connection.db, OLD)).toBe('nothing')
    expect(await getRun(connection.db, failed.runId)).toBeNull()
    expect((await listFailures(connection.db, page)).count).toBe(0)
    for (const id of [unfinished, young]) expect(await getRun(connection.db, id)).not.toBeNull()
  })

  test('is not, once it is retried, until it has finished again so long ago', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, item, failure, { final: true })
    await age(31)
    expect(await retryRun(connection.db, item.runId)).toBe('retried')
    expect(await pruneRun(connection.db, OLD)).toBe('nothing')
    const again = await takeItem(connection.db, item.id)
    if (again === null) throw new Error('the item is gone')
    await failAttempt(connection.db, again, failure, { final: true })
    expect(await pruneRun(connection.db, OLD)).toBe('nothing')
  })

  test('of many items says until its end how many of each class are left, and cannot be retried without the others', async () => {
    const symbols = Array.from({ length: 150 }, (_, index) => `S${index}`)
    const { id } = await createRun(connection.db, runOf(symbols))
    await connection.db.execute(sql`
      INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice)
      SELECT id, run_id, symbol, 1, true, 'timeout', '', '' FROM ingest_items`)
    await connection.db.execute(sql`UPDATE ingest_items SET state = 'failed', finished_at = now()`)
    await age(31)
    expect(await pruneRun(connection.db, OLD)).toBe('items')
    expect(await getRun(connection.db, id)).toMatchObject({
      counts: { total: 50, failed: 50 },
      failures: [{ class: 'timeout', count: 50 }],
    })
    expect(await retryRun(connection.db, id)).toBe('nothing')
    expect((await findWrongEntries(connection.db)).run_totals.entries).toBe(0)
    expect(await pruneRun(connection.db, OLD)).toBe('run')
  })

  test('leaves what it rejected in quarantine, and how often that came', async () => {
    const item = await takenItem(connection.db, 'IBM')
    const rejected = [{ date: '2024-01-02', raw: { close: 'x' }, reasons: ['not_a_number'] }]
    await storeSeries(connection.db, item, series({ bars: packBars([bar('2024-01-03')]), rejected }))
    await age(31)
    expect(await pruneRun(connection.db, OLD)).toBe('run')
    const { rows } = await listRejectedRows(connection.db, page)
    expect(rows).toMatchObject([{ date: '2024-01-02', times: 1, runId: null }])
  })

  test('leaves its symbols known as asked for: a start does not ask again for what was never stored', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, item, failure, { final: true })
    await age(31)
    expect(await pruneRun(connection.db, OLD)).toBe('run')
    expect(await createStartRun(connection.db, [item.symbol])).toBeNull()
    expect(await createStartRun(connection.db, [item.symbol, 'NEW'])).not.toBeNull()
  })
})
