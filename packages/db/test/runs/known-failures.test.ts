import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import type { FailureAnswers } from '@stockpile/domain/failure'
import { listFailures } from '../../src/runs/failures.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { failKnown } from '../../src/runs/needless.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { takeItem } from '../../src/runs/items.js'
import type { ClaimedItem } from '../../src/runs/claim.js'
import { getRun } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { createRun, retryRun } from '../../src/runs/runs.js'
import type { RunRequest } from '../../src/runs/runs.js'
import { failure, runOf, series, takenItem, useConnection } from '../database.js'

const connection = useConnection()
const unknown = {
  ...failure,
  class: 'invalid_symbol',
  detail: 'NOSUCH: Alpha Vantage does not know this symbol.',
}

async function fail(symbol: string, answers: FailureAnswers | null): Promise<ClaimedItem> {
  const item = await takenItem(connection.db, symbol)
  await failAttempt(connection.db, item, unknown, { final: true, outputsize: 'compact', answers })
  return item
}

const ask = (symbols: string[], request: Partial<RunRequest> = {}) =>
  createRun(connection.db, runOf(symbols, request))
const isAsked = async (symbol: string, request: Partial<RunRequest> = {}) =>
  (await ask([symbol], request)).items.length === 1
const age = (interval: string) =>
  connection.db.execute(sql`UPDATE ingest_failures SET failed_at = failed_at - ${interval}::interval`)

describe('a symbol whose answer is known', () => {
  test('fails again at once without a request, and says since when and until when', async () => {
    await fail('NOSUCH', 'symbol')
    const { id, items } = await ask(['NOSUCH', 'IBM'])
    expect(items.map((item) => item.symbol)).toEqual(['IBM'])
    expect(await getRun(connection.db, id)).toMatchObject({
      counts: { failed: 1, pending: 1 },
      failures: [{ class: 'invalid_symbol', count: 1 }],
    })
    const { failures } = await listFailures(connection.db, { runId: id, limit: 10, offset: 0 })
    expect(failures).toMatchObject([
      { symbol: 'NOSUCH', attempt: 0, final: true, class: 'invalid_symbol', advice: failure.advice },
    ])
    expect(failures[0]?.detail).toMatch(
      /^NOSUCH: Alpha Vantage does not know this symbol\. Asked on [-\d]{10} \d\d:\d\d UTC; not asked again before [-\d]{10} \d\d:\d\d UTC without force\.$/,
    )
    const { items: listed } = await listItems(connection.db, id, { limit: 1, offset: 0 })
    expect(listed).toMatchObject([{ state: 'failed', attempts: 0 }])
    expect(listed[0]?.finishedAt).not.toBeNull()
  })

  test('is asked for again with force, after a day, and when something was fetched of it since', async () => {
    await fail('NOSUCH', 'symbol')
    expect(await isAsked('NOSUCH')).toBe(false)
    expect(await isAsked('NOSUCH', { force: true })).toBe(true)
    await age('23 hours 59 minutes')
    expect(await isAsked('NOSUCH')).toBe(false)
    await age('1 minute')
    expect(await isAsked('NOSUCH')).toBe(true)

    await fail('FOUND', 'symbol')
    const forced = await ask(['FOUND'], { force: true })
    const item = await takeItem(connection.db, forced.items[0]?.id ?? 0)
    if (item === null) throw new Error('not taken')
    await storeSeries(connection.db, item, series({ newestRejected: true }))
    expect(await isAsked('FOUND')).toBe(true)
  })

  test('is not known for longer by being asked for', async () => {
    await fail('NOSUCH', 'symbol')
    await age('23 hours')
    await ask(['NOSUCH'])
    await age('1 hour')
    expect(await isAsked('NOSUCH')).toBe(true)
  })

  test('is asked for again when somebody retries the run', async () => {
    const { runId, id } = await fail('NOSUCH', 'symbol')
    const { id: known } = await ask(['NOSUCH'])
    for (const run of [runId, known]) expect(await retryRun(connection.db, run)).toBe('retried')
    expect(await takeItem(connection.db, id)).toMatchObject({ knownFailure: null })
    const { items } = await listItems(connection.db, known, { limit: 1, offset: 0 })
    expect(await takeItem(connection.db, items[0]?.id ?? 0)).toMatchObject({ knownFailure: null })
  })

  test('is told to the worker of an item that was accepted before', async () => {
    const before = await ask(['NOSUCH'])
    const forced = await ask(['NOSUCH'], { force: true })
    await fail('NOSUCH', 'symbol')
    expect(await takeItem(connection.db, forced.items[0]?.id ?? 0)).toMatchObject({ knownFailure: null })
    const item = await takeItem(connection.db, before.items[0]?.id ?? 0)
    if (item?.knownFailure == null) throw new Error('not known')
    const told = await failKnown(connection.db, item, item.knownFailure)
    expect(told).toMatchObject({ class: 'invalid_symbol' })
    expect(told.detail).toContain('without force')
    expect(await getRun(connection.db, before.id)).toMatchObject({ status: 'failed' })
  })

  test.each<[FailureAnswers, Partial<RunRequest>, boolean, boolean]>([
    ['full', { outputsize: 'full' }, true, false],
    ['full', { outputsize: 'compact' }, true, true],
    ['compact', { outputsize: 'compact' }, true, false],
    ['compact', { outputsize: 'full' }, true, true],
    // A worker resolves `auto` by its plan.
    ['full', { outputsize: 'auto' }, true, false],
    ['full', { outputsize: 'auto' }, false, true],
    ['compact', { outputsize: 'auto' }, false, false],
  ])('with %s is asked for (%j, full history %s): %s', async (answers, request, fullHistory, asked) => {
    await fail('HUGE', answers)
    const { items } = await ask(['HUGE'], request)
    const item = await takeItem(connection.db, items[0]?.id ?? 0, { fullHistory })
    expect((item?.knownFailure ?? null) === null && items.length === 1).toBe(asked)
  })

  test('is none of a failure that says nothing of the next answer', async () => {
    await fail('IBM', null)
    expect(await isAsked('IBM')).toBe(true)
  })

  test('is found for 10,000 symbols without looking at each', async () => {
    const symbols = Array.from({ length: 10_000 }, (_, index) => `S${index}`)
    const { id } = await ask(symbols)
    await connection.db.execute(sql`
      INSERT INTO ingest_failures (item_id, run_id, symbol, attempt, final, class, detail, advice, answers)
      SELECT id, run_id, symbol, 1, true, 'invalid_symbol', 'unknown', '', 'symbol' FROM ingest_items WHERE id % 10 = 0`)
    const again = await ask(symbols)
    expect(again.items).toHaveLength(9_000)
    expect((await getRun(connection.db, again.id))?.counts).toMatchObject({ failed: 1_000, pending: 9_000 })
    expect((await getRun(connection.db, id))?.counts).toMatchObject({ pending: 10_000 })
  })
})
