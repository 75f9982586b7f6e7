import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { listFailures } from '../../src/runs/failures.js'
import { dispatchedItems } from '../../src/runs/dispatch.js'
import { ClaimLostError, lostClaims } from '../../src/runs/claim.js'
import { uncountLoneLoss, backoffLeftMs, releaseItem, snoozeItem, takeItem } from '../../src/runs/items.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { noteClockJump } from '../../src/quota/ledger-clock.js'
import { readGate } from '../../src/quota/ledger.js'
import { listRejectedRows } from '../../src/runs/rejected-rows.js'
import { getRun } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { liveWorker } from '../quota/ledger-setup.js'
import { cancelRun } from '../../src/runs/runs.js'
import { failure, series, takenItem, useConnection, wait } from '../database.js'

const connection = useConnection()

describe('the fence', () => {
  test('lets only the newest claim store rows', async () => {
    const frozen = await takenItem(connection.db, 'IBM')
    const rescuer = await takeItem(connection.db, frozen.id)
    await expect(storeSeries(connection.db, frozen, series())).rejects.toThrow(ClaimLostError)
    expect((await getRun(connection.db, frozen.runId))?.rows.inserted).toBe(0)
    if (rescuer === null) throw new Error('not taken over')
    expect(await storeSeries(connection.db, rescuer, series())).toEqual({
      inserted: 2,
      updated: 0,
      unchanged: 0,
    })
  })

  test('rolls back rows, quarantine and failures of a lost claim', async () => {
    const frozen = await takenItem(connection.db, 'IBM')
    await takeItem(connection.db, frozen.id)
    const rejected = [{ date: '2024-01-02', raw: {}, reasons: ['missing_close'] }]
    await expect(storeSeries(connection.db, frozen, series({ rejected }))).rejects.toThrow(ClaimLostError)
    await expect(failAttempt(connection.db, frozen, failure, { final: true, rejected })).rejects.toThrow(
      ClaimLostError,
    )
    await expect(snoozeItem(connection.db, frozen, wait('quota'))).rejects.toThrow(ClaimLostError)
    expect((await listFailures(connection.db, { limit: 1, offset: 0 })).count).toBe(0)
    expect((await listRejectedRows(connection.db, { limit: 1, offset: 0 })).count).toBe(0)
  })

  test('a taking-over is charged to an item only when it was alone in the lost worker’s hands', async () => {
    const item = await takenItem(connection.db, 'IBM')
    expect(await takeItem(connection.db, item.id, { alone: true })).toMatchObject({ loneLosses: 0 })
    expect(await takeItem(connection.db, item.id, { alone: true })).toMatchObject({ loneLosses: 1 })
    const held = await takeItem(connection.db, item.id)
    expect(held).toMatchObject({ loneLosses: 2 })
    expect(await takeItem(connection.db, item.id, { alone: true })).toMatchObject({ loneLosses: 2 })
  })

  test('PostgreSQL that was away is no loss, however often, whoever comes first when it is back', async () => {
    const { db } = connection
    const moments = ['lost', 'away', 'away, taken over first', 'away, answer to the taking lost'] as const
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...moments), { maxLength: 8 }), async (happenings) => {
        const { id, runId } = await takenItem(db, 'IBM')
        const take = async () => {
          const item = await takeItem(db, id, { alone: true })
          if (item === null) throw new Error('the item is gone')
          return item
        }
        let held = await take()
        for (const happening of happenings) {
          const before = held
          if (happening === 'away') await uncountLoneLoss(db, before)
          if (happening === 'away, answer to the taking lost') await uncountLoneLoss(db, { id, claim: null })
          held = await take()
          if (happening === 'away, taken over first') await uncountLoneLoss(db, before)
        }
        const [row] = await db.execute<{ losses: number }>(
          sql`SELECT lone_losses AS losses FROM ingest_items WHERE id = ${id}`,
        )
        expect(row?.losses).toBe(happenings.filter((one) => one === 'lost').length)
        await cancelRun(db, runId)
      }),
      { numRuns: 25 },
    )
  })

  test('a released item is no loss', async () => {
    const { id } = await takenItem(connection.db, 'IBM')
    const item = await takeItem(connection.db, id, { alone: true })
    if (item === null) throw new Error('the item is gone')
    await releaseItem(connection.db, item)
    expect(await takeItem(connection.db, id, { alone: true })).toMatchObject({ loneLosses: 0 })
  })

  test('a finished item cannot be taken', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await storeSeries(connection.db, item, series())
    expect(await takeItem(connection.db, item.id)).toBeNull()
  })

  test('tells which claims are lost', async () => {
    const [kept, cancelled, overtaken] = [
      await takenItem(connection.db, 'A'),
      await takenItem(connection.db, 'B'),
      await takenItem(connection.db, 'C'),
    ]
    await cancelRun(connection.db, cancelled.runId)
    await takeItem(connection.db, overtaken.id)
    const lost = await lostClaims(connection.db, [kept, cancelled, overtaken])
    expect(lost.toSorted((a, b) => a - b)).toEqual([cancelled.id, overtaken.id])
    expect(await lostClaims(connection.db, [])).toEqual([])
  })
})

describe('a failed attempt', () => {
  test('is recorded, costs an attempt and leaves the item pending with a time', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, item, failure, { retryInMs: 60_000 })
    const { failures } = await listFailures(connection.db, { runId: item.runId, limit: 10, offset: 0 })
    expect(failures).toMatchObject([{ symbol: 'IBM', attempt: 1, final: false, ...failure }])
    const { items } = await listItems(connection.db, item.runId, { limit: 1, offset: 0 })
    expect(items).toMatchObject([{ state: 'pending', attempts: 1, error: { class: 'http_error' } }])
    expect(Date.parse(items[0]?.nextAttemptAt ?? '') - Date.now()).toBeGreaterThan(50_000)
  })

  test('is taken again when its backoff is over by the clock of the database, and not before', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, item, failure, { retryInMs: 60_000 })
    expect(await takeItem(connection.db, item.id)).toBeNull()
    expect(await backoffLeftMs(connection.db, item.id)).toBeGreaterThan(50_000)
    // The item became takeable between the two questions, and its job must not end. In a transaction the clock stands still.
    const waitMs = await connection.db.transaction(async (tx) => {
      await tx.execute(sql`UPDATE ingest_items SET next_attempt_at = now() + interval '900 milliseconds'`)
      return backoffLeftMs(tx, item.id)
    })
    expect(waitMs).toBe(900)
    const again = await takeItem(connection.db, item.id)
    expect(again).toMatchObject({ attempts: 1, claim: item.claim + 1 })
    await failAttempt(connection.db, { ...item, ...again }, failure, { final: true })
    expect(await backoffLeftMs(connection.db, item.id)).toBe(0)
  })

  test('waits its backoff and no more when the clock that delayed it is set right meanwhile', async () => {
    const { db } = connection
    const item = await takenItem(db, 'IBM')
    await failAttempt(db, item, failure, { retryInMs: 15 * 60_000 + 60_000 })
    const { clock } = await readGate(db, { limits: [], fingerprint: 'key', aheadMs: 0 })
    expect(
      await noteClockJump(db, { ms: -15 * 60_000, seen: clock.jumps, newestId: clock.newestId, afterMs: 0 }),
    ).toBe(true)
    const waitMs = await backoffLeftMs(db, item.id)
    expect(waitMs).toBeGreaterThan(50_000)
    expect(waitMs).toBeLessThanOrEqual(60_000)
    // The instant that the item waits for was noted by the right clock now, so that it must not move again.
    expect(
      await noteClockJump(db, {
        ms: -15 * 60_000,
        seen: clock.jumps + 1,
        newestId: clock.newestId,
        afterMs: 0,
      }),
    ).toBe(true)
    expect(await backoffLeftMs(db, item.id)).toBeGreaterThan(50_000)
  })

  test('delayed by a clock that was hours ahead waits no longer than any attempt does, and its job is to run', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await failAttempt(connection.db, item, failure, { retryInMs: 3 * 3_600_000 })
    await connection.db.execute(sql`UPDATE ingest_items SET dispatched_at = now() + interval '3 hours'`)
    expect(
      await dispatchedItems(connection.db, { afterId: 0, limit: 10, minimumAgeMs: 2_000 }),
    ).toMatchObject([{ id: item.id, isDue: true }])
    expect(await backoffLeftMs(connection.db, item.id)).toBe(0)
    expect(await takeItem(connection.db, item.id)).toMatchObject({ attempts: 1 })
  })

  test('whose failed probe waits for hours is not to run before the next may be sent', async () => {
    const item = await takenItem(connection.db, 'IBM')
    await snoozeItem(connection.db, item, { ...wait('provider'), ms: 6 * 3_600_000 })
    await connection.db.execute(sql`UPDATE ingest_items SET dispatched_at = now() - interval '1 minute'`)
    expect(
      await dispatchedItems(connection.db, { afterId: 0, limit: 10, minimumAgeMs: 2_000 }),
    ).toMatchObject([{ id: item.id, isDue: false }])
  })

  test('of a body without a sound row keeps the rows and the account', async () => {
    const item = await takenItem(connection.db, 'IBM')
    const rejected = [
      { date: '2024-01-02', raw: { close: 'x\\u0000' }, reasons: ['not_a_number', 'missing_open'] },
    ]
    await failAttempt(connection.db, item, failure, { final: true, rejected })
    const { rows } = await listRejectedRows(connection.db, { symbol: 'IBM', limit: 10, offset: 0 })
    expect(rows).toMatchObject([
      { date: '2024-01-02', raw: { close: 'x\\u0000' }, reasons: ['not_a_number', 'missing_open'] },
    ])
    expect(await getRun(connection.db, item.runId)).toMatchObject({
      status: 'failed',
      rows: { fetched: 1, rejected: 1 },
    })
  })
})

describe('a snoozed item', () => {
  test.each([
    ['quota', 'waiting_quota'],
    // The key of one worker: nothing says that the other workers cannot go on.
    ['key', 'running'],
    [null, 'running'],
  ] as const)('that waits for %s costs no attempt and its run is %s', async (waitingFor, status) => {
    await liveWorker(connection.db)
    const item = await takenItem(connection.db, 'IBM')
    await (waitingFor === null
      ? releaseItem(connection.db, item)
      : snoozeItem(connection.db, item, wait(waitingFor)))
    const waiting = waitingFor === 'quota' ? { for: waitingFor, reason: 'The day is spent.' } : null
    expect(await getRun(connection.db, item.runId)).toMatchObject({ status, counts: { pending: 1 }, waiting })
    expect(await takeItem(connection.db, item.id)).toMatchObject({ attempts: 0, claim: 2 })
    expect((await getRun(connection.db, item.runId))?.status).toBe('running')
  })
})
