import fc from 'fast-check'
import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { RUN_STATUSES } from '@stockpile/domain/run'
import { RUN_WAITING_FOR } from '@stockpile/domain/waiting'
import {
  dispatchedItems,
  markDispatched,
  markWithdrawn,
  undispatchedItems,
  withdrawableItems,
} from '../../src/runs/dispatch.js'
import { ClaimLostError } from '../../src/runs/claim.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import { getRun, listRuns, runStatus } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { liveWorker } from '../quota/ledger-setup.js'
import { cancelRun, createRun, createStartRun, retryRun } from '../../src/runs/runs.js'
import { failure, runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()

describe('a run', () => {
  test('is accepted with its items in the order of the request', async () => {
    await liveWorker(connection.db)
    const { id, items } = await createRun(connection.db, runOf(['IBM', 'AAPL', 'MSFT'], { priority: 'high' }))
    expect(items.map((item) => [item.symbol, item.priority])).toEqual([
      ['IBM', 'high'],
      ['AAPL', 'high'],
      ['MSFT', 'high'],
    ])
    const run = await getRun(connection.db, id)
    expect(run).toMatchObject({
      status: 'queued',
      trigger: 'api',
      finishedAt: null,
      counts: { total: 3, pending: 3 },
    })
    expect(run?.requestedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test('of 10,000 symbols is one statement', async () => {
    const symbols = Array.from({ length: 10_000 }, (_, index) => `S${index}`)
    const { id } = await createRun(connection.db, runOf(symbols))
    expect((await getRun(connection.db, id))?.counts.total).toBe(10_000)
  })

  test('sums the rows of its items and ends when the last of them does', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await storeSeries(
      connection.db,
      item,
      series({ rejected: [{ date: null, raw: { open: 'x' }, reasons: ['not_a_date'] }], provisional: 1 }),
    )
    const run = await getRun(connection.db, item.runId)
    expect(run).toMatchObject({
      status: 'succeeded',
      counts: { total: 1, pending: 0, running: 0, succeeded: 1, failed: 0, cancelled: 0 },
      rows: { fetched: 4, inserted: 2, updated: 0, unchanged: 0, rejected: 1, provisional: 1 },
    })
    expect(run?.finishedAt).not.toBeNull()
  })

  test('with failed and succeeded items is partial and says why', async () => {
    const { id, items } = await createRun(connection.db, runOf(['IBM', 'NOSUCH']))
    const [ibm, unknown] = await Promise.all(items.map((item) => takeItem(connection.db, item.id)))
    if (!ibm || !unknown) throw new Error('not taken')
    await storeSeries(connection.db, ibm, series())
    await failAttempt(connection.db, unknown, { ...failure, class: 'invalid_symbol' }, { final: true })
    expect(await getRun(connection.db, id)).toMatchObject({
      status: 'partial',
      failures: [{ class: 'invalid_symbol', count: 1 }],
    })
    const { items: listed } = await listItems(connection.db, id, { limit: 10, offset: 0, state: 'failed' })
    expect(listed).toMatchObject([
      {
        symbol: 'NOSUCH',
        state: 'failed',
        attempts: 1,
        error: { class: 'invalid_symbol', detail: 'HTTP 503.' },
      },
    ])
  })

  test('is listed newest first, a page at a time', async () => {
    const ids = []
    for (const symbol of ['A', 'B', 'C']) ids.push((await createRun(connection.db, runOf([symbol]))).id)
    const { runs, count } = await listRuns(connection.db, { limit: 2, offset: 0 })
    expect(count).toBe(3)
    expect(runs.map((run) => run.id)).toEqual([ids[2], ids[1]])
    expect(await getRun(connection.db, '00000000-0000-7000-8000-000000000000')).toBeNull()
  })

  test('always has exactly one status, and a finished one only when nothing is unfinished', () => {
    const some = fc.nat({ max: 3 })
    const cause = fc.constantFrom(null, ...RUN_WAITING_FOR)
    const counts = fc.record({ pending: some, running: some, succeeded: some, failed: some, cancelled: some })
    fc.assert(
      fc.property(counts, fc.boolean(), fc.boolean(), cause, (states, begun, quota, waitsFor) => {
        const total = states.pending + states.running + states.succeeded + states.failed + states.cancelled
        fc.pre(total > 0)
        const waiting = { quota: quota && states.pending > 0, cause: waitsFor }
        const status = runStatus({ ...states, total }, waiting, { begun, incomplete: false })
        expect(RUN_STATUSES).toContain(status)
        const finished = ['succeeded', 'partial', 'failed', 'cancelled'].includes(status)
        expect(finished).toBe(states.pending + states.running === 0)
        expect(status !== 'succeeded' || states.succeeded === total).toBe(true)
      }),
    )
  })
})

describe('an item that needs no request', () => {
  // In winter a session closes at 21:00 UTC. Until then the last session is the day before; over the weekend it is Friday's.
  test.each([
    ['fetched after it was accepted', '2026-03-06T22:01Z', '2026-03-05', '2026-03-06T23:00Z', 'coalesced'],
    [
      'with the bar of the last session',
      '2026-03-06T21:00Z',
      '2026-03-06',
      '2026-03-08T12:00Z',
      'up_to_date',
    ],
    ['fetched before that session closed', '2026-03-06T20:59Z', '2026-03-06', '2026-03-08T12:00Z', null],
    ['without its bar soon after the close', '2026-03-06T21:30Z', '2026-03-05', '2026-03-08T12:00Z', null],
    ['before Monday closes in summer', '2026-03-06T21:30Z', '2026-03-06', '2026-03-09T19:59Z', 'up_to_date'],
    ['once Monday has closed in summer', '2026-03-06T21:30Z', '2026-03-06', '2026-03-09T20:00Z', null],
    [
      'without a bar, hours after a holiday',
      '2026-03-07T03:00Z',
      '2026-03-05',
      '2026-03-08T12:00Z',
      'up_to_date',
    ],
    ['never fetched', null, null, '2026-03-08T12:00Z', null],
  ])('%s', async (_what, fetchedAt, lastDate, at, outcome) => {
    const accepted = fetchedAt === '2026-03-06T22:01Z' ? '2026-03-06T22:00Z' : at
    const [row] = await connection.db.execute(sql`
      SELECT needless(${accepted}, ${fetchedAt}::timestamptz, ${lastDate}::date, ${at}) AS outcome`)
    expect(row).toEqual({ outcome })
  })

  test('is found without a function call for each of 10,000 symbols', async () => {
    const plan = await connection.db.execute(sql`
      EXPLAIN (VERBOSE) SELECT needless(now(), last_fetched_at, last_date, now()) FROM symbols`)
    expect(JSON.stringify([...plan])).not.toMatch(/needless|last_session_close/)
  })
})

describe('the first run', () => {
  test('asks only for symbols that nobody asked for before, and is made once however many workers start', async () => {
    await createRun(connection.db, runOf(['IBM']))
    const made = await Promise.all(
      [1, 2, 3].map(() => createStartRun(connection.db, ['IBM', 'AAPL', 'MSFT'])),
    )
    const ids = made.filter((id) => id !== null)
    expect(ids).toHaveLength(1)
    const { items } = await listItems(connection.db, ids[0] ?? '', { limit: 10, offset: 0 })
    expect(items.map((item) => item.symbol)).toEqual(['AAPL', 'MSFT'])
    expect(await createStartRun(connection.db, [])).toBeNull()
  })
})

describe('a retried run', () => {
  test('works on its failed items again, keeps the others, and answers the same twice', async () => {
    const { id, items } = await createRun(connection.db, runOf(['A', 'B']))
    for (const [index, { id: itemId }] of items.entries()) {
      const item = await takeItem(connection.db, itemId)
      if (item === null) throw new Error('the item is gone')
      if (index === 0) await failAttempt(connection.db, item, failure, { final: true })
      else await storeSeries(connection.db, item, series())
    }
    await markDispatched(
      connection.db,
      items.map((item) => item.id),
    )
    expect(await getRun(connection.db, id)).toMatchObject({ status: 'partial', failures: [{ count: 1 }] })
    expect(await retryRun(connection.db, id)).toBe('retried')
    expect(await retryRun(connection.db, id)).toBe('retried')
    expect(await getRun(connection.db, id)).toMatchObject({
      counts: { pending: 1, succeeded: 1 },
      failures: [],
      finishedAt: null,
    })
    expect(await undispatchedItems(connection.db, { limit: 10, minimumAgeMs: 0 })).toMatchObject([
      { symbol: 'A', wasTaken: true },
    ])
    const item = await takeItem(connection.db, items[0]?.id ?? 0)
    expect(item).toMatchObject({ attempts: 0, loneLosses: 0 })
    if (item !== null) await storeSeries(connection.db, item, series())
    expect(await getRun(connection.db, id)).toMatchObject({ status: 'succeeded', failures: [] })
    expect(await retryRun(connection.db, id)).toBe('nothing')
    expect(await retryRun(connection.db, '019a0000-0000-7000-8000-000000000000')).toBe('unknown')
  })

  test('is none when it was cancelled', async () => {
    const { id } = await createRun(connection.db, runOf(['A']))
    await cancelRun(connection.db, id)
    expect(await retryRun(connection.db, id)).toBe('nothing')
  })
})

describe('cancelling', () => {
  test('ends pending and running items, keeps finished ones, and answers the same twice', async () => {
    const { id, items } = await createRun(connection.db, runOf(['A', 'B', 'C']))
    const [first, second] = items
    if (first === undefined || second === undefined) throw new Error('no items')
    const done = await takeItem(connection.db, first.id)
    const running = await takeItem(connection.db, second.id)
    if (done === null || running === null) throw new Error('not taken')
    await storeSeries(connection.db, done, series())
    expect(await cancelRun(connection.db, id)).toBe('cancelled')
    expect(await cancelRun(connection.db, id)).toBe('cancelled')
    expect(await getRun(connection.db, id)).toMatchObject({
      status: 'cancelled',
      counts: { succeeded: 1, cancelled: 2 },
    })
    await expect(storeSeries(connection.db, running, series())).rejects.toThrow(ClaimLostError)
  })

  test('of a finished or unknown run is told apart', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await storeSeries(connection.db, item, series())
    expect(await cancelRun(connection.db, item.runId)).toBe('finished')
    expect(await cancelRun(connection.db, '00000000-0000-7000-8000-000000000000')).toBe('unknown')
  })
})

describe('dispatching', () => {
  test('finds pending items until they are marked, oldest first, and leaves young ones to the API', async () => {
    const { items } = await createRun(connection.db, runOf(['A', 'B', 'C']))
    const find = (minimumAgeMs = 0) => undispatchedItems(connection.db, { limit: 2, minimumAgeMs })
    expect((await find()).map((item) => item.symbol)).toEqual(['A', 'B'])
    expect(await find(60_000)).toEqual([])
    await markDispatched(
      connection.db,
      items.map((item) => item.id),
    )
    expect(await find()).toEqual([])
  })

  test('looks after an item that a worker has taken though nobody ever heard that the queue had it', async () => {
    const { id } = await takenItem(connection.db, 'IBM')
    const looked = await dispatchedItems(connection.db, { afterId: 0, limit: 10, minimumAgeMs: 0 })
    expect(looked.map((item) => item.id)).toEqual([id])
  })

  test('names the cancelled items whose jobs the queue still holds, until they are marked', async () => {
    const { id, items } = await createRun(connection.db, runOf(['A', 'B']))
    const ids = items.map((item) => item.id)
    await cancelRun(connection.db, id)
    expect(await withdrawableItems(connection.db, 10)).toEqual([])
    // The queue was given the items while they were being cancelled.
    await markDispatched(connection.db, ids)
    expect(await withdrawableItems(connection.db, 10)).toEqual(ids)
    await markWithdrawn(connection.db, ids)
    expect(await withdrawableItems(connection.db, 10)).toEqual([])
  })
})
