import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import type { FetchedSeries } from '../../src/runs/store-series.js'
import { getRun } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { createRun } from '../../src/runs/runs.js'
import { bar, runOf, series, useConnection } from '../database.js'

const connection = useConnection()
const bad = { date: '2024-01-31', raw: { close: 'x' }, reasons: ['not_a_number'] }
const days = Array.from({ length: 10 }, (_, index) => `2024-01-${String(index + 2).padStart(2, '0')}`)
const barsOf = (restated: number) =>
  packBars(days.map((date, index) => bar(date, index < restated ? { close: '11.5' } : {})))

/** Finishes a new run of these symbols with what each fetch brought. */
async function ended(fetched: Record<string, Partial<FetchedSeries>>) {
  const { id, items } = await createRun(connection.db, runOf(Object.keys(fetched), { force: true }))
  for (const { id: itemId, symbol } of items) {
    const item = await takeItem(connection.db, itemId)
    if (item === null) throw new Error('not taken')
    await storeSeries(connection.db, item, series(fetched[symbol]))
  }
  return { id, run: await getRun(connection.db, id) }
}

const fetchedAt = async (symbol: string) => {
  const [row] = await connection.db.execute<{ at: string | null }>(
    sql`SELECT last_fetched_at AS at FROM symbols WHERE symbol = ${symbol}`,
  )
  return row?.at ?? null
}

describe('a run whose newest row was rejected', () => {
  test('is partial, says why, and leaves the symbol to be asked for again', async () => {
    const other = await createRun(connection.db, runOf(['B'], { outputsize: 'compact' }))
    const { id, run } = await ended({ A: {}, B: { rejected: [bad], newestRejected: true } })
    expect(run).toMatchObject({
      status: 'partial',
      counts: { succeeded: 2, failed: 0 },
      failures: [],
      warnings: [
        {
          code: 'newest_row_rejected',
          detail: 'The newest row of B was rejected (/api/rejected_rows says why), so it is not up to date.',
          symbols: ['B'],
        },
      ],
    })
    expect((await listItems(connection.db, id, { limit: 2, offset: 0 })).items).toMatchObject([
      { symbol: 'A', warnings: [] },
      { symbol: 'B', state: 'succeeded', outcome: 'fetched', warnings: ['newest_row_rejected'] },
    ])
    expect(await fetchedAt('A')).not.toBeNull()
    expect(await fetchedAt('B')).toBeNull()
    // The other run, which was accepted before, gets the warning too.
    expect(await getRun(connection.db, other.id)).toMatchObject({
      status: 'partial',
      counts: { succeeded: 1 },
      warnings: [{ code: 'newest_row_rejected', symbols: ['B'] }],
    })
    expect((await listItems(connection.db, other.id, { limit: 1, offset: 0 })).items).toMatchObject([
      { outcome: 'coalesced', rows: { fetched: 0 } },
    ])
  })

  test('is not so when another row was', async () => {
    const { run } = await ended({ A: { rejected: [bad] } })
    expect(run).toMatchObject({ status: 'succeeded', warnings: [] })
  })
})

test('a run of which nothing could be stored is partial as those that waited for the same, and the symbol is asked for again', async () => {
  const other = await createRun(connection.db, runOf(['A'], { outputsize: 'compact' }))
  const { run } = await ended({ A: { bars: packBars([]), provisional: 1 } })
  for (const one of [run, await getRun(connection.db, other.id)])
    expect(one).toMatchObject({
      status: 'partial',
      rows: { fetched: 1, provisional: 1 },
      warnings: [{ code: 'nothing_stored', symbols: ['A'] }],
    })
  expect(await fetchedAt('A')).toBeNull()
})

test.each([
  [4, []],
  [5, ['restated']],
  [7, ['restated']],
])('a run that changes %i of ten stored days warns of %j', async (restated, codes) => {
  await ended({ A: { bars: barsOf(0) }, B: { bars: barsOf(0) } })
  const { run } = await ended({ A: { bars: barsOf(restated) }, B: { bars: barsOf(restated) } })
  expect(run).toMatchObject({ status: 'succeeded', rows: { updated: 2 * restated } })
  expect(run?.warnings.map((warning) => warning.code)).toEqual(codes)
  const detail = `${restated} of 10 stored days of A changed at once (/api/symbols/A/revisions has what they were). The same of 1 more.`
  expect(run?.warnings).toEqual(codes.map((code) => ({ code, detail, symbols: ['A', 'B'] })))
})

test('a run says of how many rejected rows not all are kept, and counts them all', async () => {
  const { run } = await ended({ A: { rejected: [bad], dropped: 98_999 } })
  expect(run).toMatchObject({
    rows: { fetched: 99_002, inserted: 2, rejected: 99_000 },
    warnings: [
      { code: 'rejected_rows_not_kept', detail: '99000 rows of A were rejected, of which 1 are kept.' },
    ],
  })
})

test('a warning names the first 100 symbols in the order of the request', async () => {
  const symbols = Array.from({ length: 120 }, (_, index) => `S${index}`)
  const { run } = await ended(
    Object.fromEntries(symbols.map((symbol) => [symbol, { bars: packBars([]), provisional: 1 }])),
  )
  expect(run?.warnings[0]?.symbols).toEqual(symbols.slice(0, 100))
  expect(run?.warnings[0]?.detail).toContain('The same of 119 more.')
})
