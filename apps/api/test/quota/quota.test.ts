import { concludeRequest } from '@stockpile/db/ledger-conclusion'
import { blockUntil, recordDailyRefusal, refuseAccess } from '@stockpile/db/ledger-refusals'
import { limitsFor } from '@stockpile/db/limits'
import { noteWorker } from '@stockpile/db/workers'
import { describe, expect, test } from 'vitest'
import { fail, problemOf } from '../app.js'
import { DAILY, DAY_MS, FINGERPRINT, FREE, quotaShape, symbols, until, useQuotaApp } from './quota-app.js'

const { context, get, post, startWorker, spend } = useQuotaApp()

async function refuseKey(): Promise<void> {
  const { db } = context
  const id = await spend(DAILY, null)
  await refuseAccess(db, id, { class: 'invalid_key', detail: 'Alpha Vantage does not accept the API key.' })
  await concludeRequest(db, id, { outcome: 'invalid_key', answered: true, durationMs: 80, bytes: 0 })
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
    for (let sent = 0; sent < 24; sent++) await spend(DAILY, 'accepted')
    await spend(DAILY, 'timeout')
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
      class: 'daily_limit',
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
    // The provider's refusal counts as a spent day.
    expect(await get('/readyz')).toMatchObject({
      data: { status: 'ready', checks: { provider: 'waiting_quota' } },
    })
  })

  test('says loudly that the key is refused, and what to do; readiness is degraded, and still 200', async () => {
    await startWorker({ plan: 'free', limits: DAILY })
    await refuseKey()
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
    await spend(DAILY, null)
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
    await spend(DAILY, 'accepted')
    await refuseKey()
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
