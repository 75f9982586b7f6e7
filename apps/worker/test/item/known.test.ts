import { listFailures } from '@stockpile/db/failures'
import { listItems } from '@stockpile/db/run-items'
import { retryRun } from '@stockpile/db/runs'
import { describe, expect, test } from 'vitest'
import { useSystem } from '../system.js'

const page = { limit: 100, offset: 0 }

/** Records of so many weekdays, none of them sound. */
function unsoundBody(count: number): string {
  const bad = { '1. open': '1', '2. high': '1', '3. low': '2', '4. close': '1', '5. volume': '1' }
  const dates = Array.from({ length: count }, (_, index) => {
    const week = Math.floor(index / 5)
    const day = Date.UTC(2026, 10, 20) - (week * 7 + (index % 5)) * 86_400_000
    return new Date(day).toISOString().slice(0, 10)
  })
  return JSON.stringify({
    'Meta Data': { '2. Symbol': 'IBM', '3. Last Refreshed': '2026-11-20' },
    'Time Series (Daily)': Object.fromEntries(dates.map((date) => [date, bad])),
  })
}

describe('an answer that cannot change by asking again', () => {
  const system = useSystem()
  const asked = () => system.simulator.arrivals().length

  test('another symbol’s data is asked for once more, names that symbol, and is not paid for again within a day', async () => {
    system.simulator.rule({ symbol: 'FB', answer: { kind: 'other_symbol', symbol: 'META' } })
    await system.work()
    const id = await system.ingest(['FB'])
    expect(await system.run(id)).toMatchObject({
      status: 'failed',
      failures: [{ class: 'wrong_symbol', count: 1 }],
    })
    expect(asked()).toBe(2)
    const { failures } = await listFailures(system.db, { ...page, runId: id })
    expect(failures).toHaveLength(2)
    for (const failure of failures) {
      expect(failure.detail).toContain('FB: the answer holds the data of META.')
      expect(failure.advice).toContain('Ask for the symbol that it names')
    }
    expect((await listItems(system.db, id, page)).items).toMatchObject([{ outputsize: 'compact' }])

    const again = await system.ingest(['FB', 'META'])
    expect(await system.run(again)).toMatchObject({
      status: 'partial',
      failures: [{ class: 'wrong_symbol', count: 1 }],
    })
    expect(asked()).toBe(3)
    expect(await system.run(await system.ingest(['FB'], { force: true }))).toMatchObject({ status: 'failed' })
    expect(asked()).toBe(5)
    expect(await retryRun(system.db, again)).toBe('retried')
    await system.run(again)
    expect(asked()).toBe(7)
  })

  test('is told at once to an item that waits in the queue, without a request', async () => {
    const first = await system.ingest(['NOSUCH'], { priority: 'high' })
    const second = await system.ingest(['NOSUCH'], { priority: 'low' })
    await system.work({ WORKER_CONCURRENCY: '1' })
    await system.run(first)
    expect(await system.run(second)).toMatchObject({ failures: [{ class: 'invalid_symbol', count: 1 }] })
    expect(asked()).toBe(1)
    const { failures } = await listFailures(system.db, { ...page, runId: second })
    expect(failures).toMatchObject([{ attempt: 0, final: true }])
    expect(failures[0]?.detail).toContain('without force')
  })

  test('30,000 unsound records are one request, of which 1,000 are kept and all are counted', async () => {
    system.simulator.rule({ answer: { kind: 'raw', body: unsoundBody(30_000) } })
    await system.work()
    const id = await system.ingest(['IBM'])
    expect(await system.run(id)).toMatchObject({
      status: 'failed',
      rows: { fetched: 30_000, rejected: 30_000 },
      failures: [{ class: 'all_rows_rejected', count: 1 }],
      warnings: [{ code: 'rejected_rows_not_kept' }],
    })
    const [kept] = await system.db.execute(
      `SELECT count(*)::int AS rows, max(date) AS newest FROM rejected_rows`,
    )
    expect(kept).toEqual({ rows: 1_000, newest: '2026-11-20' })
    await system.run(await system.ingest(['IBM']))
    expect(asked()).toBe(1)
  })
})

describe('an answer whose newest row cannot be stored', () => {
  const system = useSystem()

  test('makes the run partial, and the symbol is asked for again', async () => {
    system.simulator.rule({ times: 2, answer: { kind: 'bad_row', defect: 'nan', row: 0 } })
    await system.work()
    for (const inserted of [99, 0]) {
      const run = await system.run(await system.ingest(['IBM']))
      expect(run).toMatchObject({ status: 'partial', rows: { inserted, rejected: 1 } })
      expect(run.warnings).toMatchObject([{ code: 'newest_row_rejected', symbols: ['IBM'] }])
    }
    const run = await system.run(await system.ingest(['IBM']))
    expect(run).toMatchObject({ status: 'succeeded', rows: { inserted: 1 }, warnings: [] })
    expect(system.simulator.arrivals()).toHaveLength(3)
  })

  test('is no success when it holds the bar of an open session alone', async () => {
    const today = new Date().toISOString().slice(0, 10)
    const bar = { '1. open': '1', '2. high': '1', '3. low': '1', '4. close': '1', '5. volume': '1' }
    const body = JSON.stringify({
      'Meta Data': { '2. Symbol': 'NEW.LON', '3. Last Refreshed': `${today} 00:00:01` },
      'Time Series (Daily)': { [today]: bar },
    })
    system.simulator.rule({ answer: { kind: 'raw', body } })
    await system.work()
    for (const requests of [1, 2]) {
      const run = await system.run(await system.ingest(['NEW.LON']))
      expect(run).toMatchObject({ status: 'partial', rows: { fetched: 1, provisional: 1 } })
      expect(run.warnings).toMatchObject([{ code: 'nothing_stored', symbols: ['NEW.LON'] }])
      expect(system.simulator.arrivals()).toHaveLength(requests)
    }
  })
})
