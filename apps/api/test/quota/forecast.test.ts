import type { Database } from '@stockpile/db/connection'
import { snoozeItem, takeItem } from '@stockpile/db/items'
import { createRun } from '@stockpile/db/runs'
import { noteWorker } from '@stockpile/db/workers'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { fail } from '../app.js'
import { answerShape, DAILY, DAY_MS, FREE, quotaShape, symbols, until, useQuotaApp } from './quota-app.js'

const { context, get, post, startWorker } = useQuotaApp()

/** Makes a run of one symbol whose item a worker snoozed. */
async function waitingRun(db: Database, wait: { for: 'quota' | 'key'; reason: string }): Promise<string> {
  const request = { trigger: 'api', outputsize: 'compact', force: false, priority: 'normal' } as const
  const { id, items } = await createRun(db, { ...request, symbols: ['IBM'] })
  const item = await takeItem(db, items[0]?.id ?? 0)
  if (item === null) throw new Error('the item was taken already')
  await snoozeItem(db, item, { ...wait, ms: 60_000, refused: false })
  return id
}

describe('the forecast', () => {
  test('of 500 symbols at 25 a day is 19 days, and the 202 says so before the first request is spent', async () => {
    await startWorker({ plan: 'free', limits: FREE })
    const { id, estimated_completion_at: done } = await post({ symbols: symbols(500) })
    const expectedMs = 19 * DAY_MS + 24 * 1_400
    expect(Math.abs(until(done) - expectedMs)).toBeLessThan(10_000)
    const again = answerShape.parse(await get(`/api/ingest/${id}`)).data
    expect(Math.abs(until(again.estimated_completion_at) - expectedMs)).toBeLessThan(10_000)
    expect(quotaShape.parse(await get('/api/quota')).data.backlog_done_at).not.toBeNull()
    const cancelled = await context.app.inject({ method: 'POST', url: `/api/ingest/${id}/cancel` })
    expect(answerShape.parse(cancelled.json()).data.estimated_completion_at).toBeNull()
  })

  test('is of each run of a page, in the order of spending', async () => {
    await startWorker({ plan: 'free', limits: DAILY })
    await fail(context.db, 'NOSUCH', {
      class: 'x',
      detail: 'x',
      advice: 'x',
      httpStatus: null,
      evidence: null,
    })
    await post({ symbols: symbols(25), priority: 'low' })
    await post({ symbols: symbols(25) })
    await post({ symbols: ['IBM'], priority: 'high' })
    const page = z.object({ data: z.array(answerShape.shape.data) }).parse(await get('/api/ingest'))
    const days = page.data.map(
      ({ estimated_completion_at: done }) => done && Math.abs(Math.round(until(done) / DAY_MS)),
    )
    expect(days).toStrictEqual([0, 1, 2, null])
  })

  test('is null before any worker started, and for a run that waits for a key', async () => {
    expect(await post({ symbols: ['AAPL'] })).toMatchObject({
      status: 'blocked',
      estimated_completion_at: null,
      no_estimate_because: 'No worker has ever started.',
      waiting: { for: 'worker', class: 'no_worker', until: null },
    })
    const worker = await startWorker({ plan: 'free', limits: FREE })
    const keyProblem = 'There is no API key: no file.'
    await noteWorker(context.db, { ...worker, keyFingerprint: null, keyProblem })
    const id = await waitingRun(context.db, { for: 'key', reason: keyProblem })
    expect(await get(`/api/ingest/${id}`)).toMatchObject({
      data: {
        status: 'blocked',
        estimated_completion_at: null,
        no_estimate_because: keyProblem,
        waiting: { for: 'key', class: 'missing_key', reason: keyProblem },
      },
    })
  })
})

test('a run that waits says for what, why and until when, and so do its items', async () => {
  await startWorker({ plan: 'free', limits: DAILY })
  const reason = 'The requests of this day are spent.'
  const id = await waitingRun(context.db, { for: 'quota', reason })
  const { data: run } = z
    .object({ data: z.object({ status: z.string(), waiting: z.looseObject({ until: z.string() }) }) })
    .parse(await get(`/api/ingest/${id}`))
  expect(run).toMatchObject({ status: 'waiting_quota', waiting: { for: 'quota', reason } })
  expect(Math.abs(until(run.waiting.until) - 60_000)).toBeLessThan(10_000)
  expect(await get(`/api/ingest/${id}/items`)).toMatchObject({
    data: [
      {
        state: 'pending',
        outcome: null,
        waiting_for: 'quota',
        waiting_reason: reason,
        next_attempt_at: run.waiting.until,
      },
    ],
  })
})
