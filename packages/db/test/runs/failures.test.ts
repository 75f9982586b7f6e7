import { describe, expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { groupFailures } from '../../src/runs/failures.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import type { FetchedSeries } from '../../src/runs/store-series.js'
import { listRejectedRows, listRejectedRowsOfRun } from '../../src/runs/rejected-rows.js'
import { getRun } from '../../src/runs/run-status.js'
import { createRun } from '../../src/runs/runs.js'
import { bar, failure, runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()

describe('a record in quarantine', () => {
  const bad = { date: '2024-01-02', raw: { close: 'x' }, reasons: ['not_a_number'] }
  const again = async (values: Partial<FetchedSeries>) => {
    const run = await createRun(connection.db, runOf(['IBM'], { force: true }))
    const item = await takeItem(connection.db, run.items[0]?.id ?? 0)
    if (item === null) throw new Error('the item is gone')
    await storeSeries(connection.db, item, series(values))
    return run.id
  }
  const bars = packBars([bar('2024-01-03')])

  test('is kept once however often it comes, and found by every run that brought it', async () => {
    const runs = [await again({ bars, rejected: [bad] }), await again({ bars, rejected: [bad, bad] })]
    const { rows, count } = await listRejectedRows(connection.db, { limit: 10, offset: 0 })
    expect(count).toBe(1)
    expect(rows).toMatchObject([{ date: '2024-01-02', times: 2, runId: runs[1], resolvedAt: null }])
    for (const runId of runs)
      expect((await listRejectedRowsOfRun(connection.db, runId, { limit: 10, offset: 0 })).count).toBe(1)
    expect(await getRun(connection.db, runs[1] ?? '')).toMatchObject({ rows: { fetched: 3, rejected: 2 } })
  })

  test('is resolved by a sound row for its day, and unresolved when it comes again', async () => {
    const unresolved = async () =>
      (await listRejectedRows(connection.db, { resolved: false, limit: 10, offset: 0 })).count
    await again({ bars, rejected: [bad] })
    expect(await unresolved()).toBe(1)
    await again({ bars: packBars([bar('2024-01-02')]) })
    expect(await unresolved()).toBe(0)
    expect((await listRejectedRows(connection.db, { resolved: true, limit: 10, offset: 0 })).count).toBe(1)
    await again({ bars, rejected: [bad] })
    expect(await unresolved()).toBe(1)
  })
})

describe('failures', () => {
  test('of one cause are one line with a count', async () => {
    for (const symbol of ['A', 'B', 'C']) {
      const item = await takenItem(connection.db, symbol)
      await failAttempt(connection.db, item, failure, symbol === 'A' ? { final: true } : { retryInMs: 1 })
    }
    const odd = await takenItem(connection.db, 'D')
    await failAttempt(connection.db, odd, { ...failure, class: 'invalid_symbol' }, { final: true })
    expect(await groupFailures(connection.db, {})).toMatchObject([
      { class: 'invalid_symbol', attempts: 1, symbols: 1, final: 1 },
      { class: 'http_error', attempts: 3, symbols: 3, example: 'HTTP 503.', advice: 'Wait.' },
    ])
    expect(await groupFailures(connection.db, { symbol: 'B' })).toMatchObject([{ attempts: 1 }])
    expect(await groupFailures(connection.db, { until: '2000-01-01T00:00:00Z' })).toEqual([])
  })
})
