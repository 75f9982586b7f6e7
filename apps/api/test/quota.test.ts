import type { Database } from '@stockpile/db/connection'
import { snoozeItem, takeItem } from '@stockpile/db/items'
import { concludeRequest } from '@stockpile/db/ledger-conclusion'
import { publishPlan, reserveRequest } from '@stockpile/db/ledger'
import { blockUntil, recordDailyRefusal, refuseAccess } from '@stockpile/db/ledger-refusals'
import { limitsFor } from '@stockpile/db/limits'
import { createRun } from '@stockpile/db/runs'
import { noteWorker } from '@stockpile/db/workers'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import type { Limit } from '@stockpile/domain/limit'
import { fail, liveWorker, problemOf, useApp } from './app.js'

const FREE = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
const DAILY = limitsFor({ perSecond: 0, perMinute: 0, perDay: 25 })
const FINGERPRINT = 'b5bb9d8014a0f9b1'
const DAY_MS = 86_401_000

const answerShape = z.object({
  data: z.looseObject({ estimated_completion_at: z.string().nullable(), id: z.string() }),
})
const quotaShape = z.object({
  data: z.object({
    limits: z.array(z.object({ next_frees_at: z.string().nullable() })),
    backlog_done_at: z.string().nullable(),
  }),
})

const context = useApp({ worker: false })
const get = async (url: string): Promise<unknown> => (await context.app.inject(url)).json()
const symbols = (count: number) => Array.from({ length: count }, (_, index) => `S${index}`)

/** As the start of a worker with the key. */
async function startWorker({ plan, limits }: { plan: string; limits: readonly Limit[] }) {
  await publishPlan(context.db, { plan, limits })
  return liveWorker(context.db, { plan, limits, keyFingerprint: FINGERPRINT })
}

/** From now, in milliseconds. */
const until = (instant: string | null | undefined) => Date.parse(instant ?? '') - Date.now()

async function post(payload: object) {
  const answer = await context.app.inject({ method: 'POST', url: '/api/ingest', payload })
  expect(answer.statusCode).toBe(202)
  return answerShape.parse(answer.json()).data
}

/** Sends a request with the key, and what became of it. */
async function spend(db: Database, limits: readonly Limit[], outcome: string | null): Promise<number> {
  const asked = { limits, fingerprint: FINGERPRINT, function: 'TIME_SERIES_DAILY', outputsize: 'compact' }
  const reservation = await reserveRequest(db, { ...asked, itemId: null })
  if (!reservation.granted) throw new Error(`no slot: ${reservation.reason}`)
  if (outcome !== null)
    await concludeRequest(db, reservation.id, { outcome, answered: true, durationMs: 80, bytes: 8_000 })
  return reservation.id
}

async function refuseKey(db: Database): Promise<void> {
  const id = await spend(db, DAILY, null)
  await refuseAccess(db, id, { class: 'invalid_key', detail: 'Alpha Vantage does not accept the API key.' })
  await concludeRequest(db, id, { outcome: 'invalid_key', answered: true, durationMs: 80, bytes: 0 })
}

/** A run of one symbol that waits as a worker leaves it. */
async function waitingRun(db: Database, wait: { for: 'quota' | 'key'; reason: string }): Promise<string> {
  const request = { trigger: 'api', outputsize: 'compact', force: false, priority: 'normal' } as const
  const { id, items } = await createRun(db, { ...request, symbols: ['IBM'] })
  const item = await takeItem(db, items[0]?.id ?? 0)
  if (item === null) throw new Error('the item was taken already')
  await snoozeItem(db, item, { ...wait, ms: 60_000, refused: false })
  return id
}

describe('the quota', () => {
  test('before any worker started has no plan and no limits, to the letter of the contract', async () => {
    const answer = await context.app.inject('/api/quota')
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toBe(
      '{"data":{"plan":null,"living_plans":[],"limits":[],"blocked":null,"contradiction":null,"key":null,"items_waiting":0,' +
        '"backlog_done_at":null,"no_estimate_because":"No worker has ever started.","causes":[{"for":"worker",' +
        '"class":"no_worker","since":null,"detail":"No worker has ever started.","advice":"Start a worker; one that should ' +
        'be there says at the end of its log why it is not. Work goes on by itself once one lives.","until":null}],' +
        '"requests":[]},"info":{"error":""}}',
    )
  })

  test('says of each limit what is used, what remains and when it frees, and what was spent on what', async () => {
    await startWorker({ plan: 'free', limits: DAILY })
    for (let sent = 0; sent < 24; sent++) await spend(context.db, DAILY, 'accepted')
    await spend(context.db, DAILY, 'timeout')
    await post({ symbols: symbols(30) })
    const quota = await get('/api/quota')
    expect(quota).toMatchObject({
      data: {
        plan: 'free',
        limits: [{ name: 'day', max: 25, window_seconds: 86_400, used: 25, remaining: 0 }],
        blocked: null,
        contradiction: null,
        key: { state: 'accepted', class: null, detail: null, advice: null, retry_at: null },
        items_waiting: 30,
        requests: [
          { outcome: 'accepted', requests: 24, bytes: 192_000 },
          { outcome: 'timeout', requests: 1 },
        ],
      },
    })
    const { limits, backlog_done_at } = quotaShape.parse(quota).data
    expect(Math.abs(until(limits[0]?.next_frees_at) - DAY_MS)).toBeLessThan(10_000)
    expect(Math.abs(until(backlog_done_at) - 2 * DAY_MS)).toBeLessThan(10_000)
  })

  test('says what blocks it, until when and why', async () => {
    await startWorker({ plan: 'free', limits: FREE })
    await blockUntil(context.db, FINGERPRINT, { class: 'burst_limit', detail: 'Too fast.', ms: 60_000 })
    expect(await get('/api/quota')).toMatchObject({
      data: { blocked: { class: 'burst_limit', detail: 'Too fast.' } },
    })
    expect(await get('/readyz')).toMatchObject({
      data: { status: 'ready', checks: { provider: 'waiting_quota' } },
    })
  })

  test.each([
    { plan: '75', perDay: 0, says: '75 a minute' },
    { plan: 'free', perDay: 500, says: '75 a minute, 500 a day' },
  ])('points out a plan $plan that the provider contradicts', async ({ plan, perDay, says }) => {
    const limits = limitsFor({ perSecond: 0, perMinute: 75, perDay })
    await startWorker({ plan, limits })
    await recordDailyRefusal(context.db, FINGERPRINT, {
      limits,
      saidPerDay: 25,
      detail: '25 requests per day',
    })
    expect(await get('/api/quota')).toMatchObject({
      data: {
        limits: [{ name: 'minute' }, { name: 'day', max: 25, used: 25, remaining: 0 }],
        contradiction: `the provider says 25 requests a day; the plan ${plan} says ${says}: check ALPHAVANTAGE_PLAN`,
      },
    })
    // The limit of the day is spent.
    expect(await get('/readyz')).toMatchObject({
      data: { status: 'ready', checks: { provider: 'waiting_quota' } },
    })
  })

  test('says loudly that the key is refused, and what to do; readiness is degraded, and still 200', async () => {
    await startWorker({ plan: 'free', limits: DAILY })
    await refuseKey(context.db)
    const { estimated_completion_at } = await post({ symbols: ['IBM'] })
    expect(estimated_completion_at).toBeNull()
    const quota = await get('/api/quota')
    expect(quota).toMatchObject({
      data: {
        key: {
          fingerprint: FINGERPRINT.slice(0, 8),
          state: 'refused',
          class: 'invalid_key',
          detail: 'Alpha Vantage does not accept the API key.',
        },
        items_waiting: 1,
        backlog_done_at: null,
        requests: [{ outcome: 'invalid_key', requests: 1 }],
      },
    })
    expect(JSON.stringify(quota)).toMatch(/"advice":"Set a valid key/)
    const ready = await context.app.inject('/readyz')
    expect(ready.statusCode).toBe(200)
    expect(ready.body).toMatch(
      /^{"data":{"status":"degraded","checks":{"database":"up","queue":"up","workers":"up","storage":"up","provider":"waiting_key"},"causes":\[{"check":"provider","class":"invalid_key","since":"2[^"]+","detail":"Alpha Vantage does not accept the API key.","advice":"Set a valid key [^"]+"}\]},"info":{"error":""}}$/,
    )
  })

  test('says that no worker has a key', async () => {
    const worker = await startWorker({ plan: 'free', limits: DAILY })
    await noteWorker(context.db, {
      ...worker,
      keyFingerprint: null,
      keyProblem: 'There is no API key: no file.',
    })
    expect(await get('/api/quota')).toMatchObject({
      data: {
        key: { fingerprint: null, state: 'missing', retry_at: null, access: [] },
        backlog_done_at: null,
      },
    })
    expect(await get('/readyz')).toMatchObject({
      data: { status: 'degraded', checks: { provider: 'waiting_key' } },
    })
  })

  test('is undecided about a key whose first answer is not there yet', async () => {
    await startWorker({ plan: 'free', limits: DAILY })
    await spend(context.db, DAILY, null)
    expect(await get('/api/quota')).toMatchObject({
      data: {
        key: { state: 'undecided', access: [{ state: 'undecided', decided_at: null }] },
        requests: [{ outcome: 'unheard', requests: 1 }],
      },
    })
    expect(await get('/readyz')).toMatchObject({ data: { status: 'ready', checks: { provider: 'up' } } })
  })

  test.each(['?x=1', '?page=1', '?api_key=CANARY'])('takes no parameters: %s', async (query) => {
    const answer = await context.app.inject(`/api/quota${query}`)
    const problem = problemOf(answer, 400)
    expect(problem.errors).toMatchObject([{ pointer: '/query', detail: 'This address takes no parameters.' }])
    expect(answer.body).not.toContain('CANARY')
  })

  test('shows no more of a fingerprint than its beginning, in no answer and no line of the log', async () => {
    const { db } = context
    await startWorker({ plan: 'free', limits: DAILY })
    await spend(db, DAILY, 'accepted')
    await refuseKey(db)
    const failure = { class: 'invalid_symbol', detail: 'No.', advice: 'Check it.', httpStatus: 200 }
    const id = await fail(db, 'NOSUCH', { ...failure, evidence: '{"Error Message":"Invalid API call."}' })
    const run = `/api/ingest/${id}`
    const urls = ['/api/quota', '/api/ingest', run, `${run}/items`, '/api/failures', '/readyz']
    for (const url of [...urls, '/openapi.json', '/queues/api/queues?activeQueue=ingest']) {
      const { statusCode, body } = await context.app.inject(url)
      expect([url, statusCode]).toStrictEqual([url, 200])
      expect(body).not.toContain(FINGERPRINT)
    }
    expect(context.logLines.join('\n')).not.toContain(FINGERPRINT)
  })
})

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
