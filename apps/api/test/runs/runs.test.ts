import { randomUUID } from 'node:crypto'
import { undispatchedItems, withdrawableItems } from '@stockpile/db/dispatch'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { bar, fail, problemOf, runShape, store, useApp } from '../app.js'

const context = useApp()
const get = (url: string) => context.app.inject(url)

async function ingest(symbols: string[]): Promise<string> {
  const answer = await context.app.inject({ method: 'POST', url: '/api/ingest', payload: { symbols } })
  return runShape.parse(answer.json()).data.id
}
const itemsOf = async (id: string): Promise<unknown> => (await get(`/api/ingest/${id}/items`)).json()
const cancel = (id: string) => context.app.inject({ method: 'POST', url: `/api/ingest/${id}/cancel` })

// Vitest types its matchers as any.
const A_TEXT: unknown = expect.any(String)
const A_NUMBER: unknown = expect.any(Number)

const REFUSED = {
  class: 'invalid_symbol',
  detail: 'The provider does not know it.',
  advice: 'Check the symbol.',
  httpStatus: 200,
  evidence: '{"Error Message":"<img src=x onerror=alert(1)>"}',
}

describe('runs', () => {
  test('are listed, newest first', async () => {
    const first = await ingest(['IBM'])
    const second = await ingest(['IBM'])
    const answer = await get('/api/ingest?limit=1')
    expect(answer.json()).toMatchObject({
      data: [{ id: second }],
      pagination: { count: 2, page: 1, limit: 1, pages: 2 },
    })
    expect((await get('/api/ingest?limit=1&page=2')).json()).toMatchObject({ data: [{ id: first }] })
  })

  test('say what became of them', async () => {
    const id = await fail(context.db, 'NOSUCH', REFUSED)
    expect((await get(`/api/ingest/${id}`)).json()).toMatchObject({
      data: {
        status: 'failed',
        finished_at: A_TEXT,
        failures: [{ class: 'invalid_symbol', count: 1 }],
      },
    })
  })

  test.each([
    '/api/ingest/5',
    '/api/ingest/IBM/items',
    '/api/failures?run_id=5',
    '/api/rejected_rows?run_id=%00',
  ])('whose id is no UUID are 400: %s', async (url) => {
    expect(problemOf(await get(url), 400).status).toBe(400)
  })

  test('that do not exist are 404', async () => {
    expect(problemOf(await get(`/api/ingest/${randomUUID()}`), 404).status).toBe(404)
    expect(problemOf(await get(`/api/ingest/${randomUUID()}/items`), 404).status).toBe(404)
    expect(problemOf(await cancel(randomUUID()), 404).status).toBe(404)
  })

  test('whose id is over-long are 414', async () => {
    expect(problemOf(await get(`/api/ingest/${'a'.repeat(101)}`), 414).status).toBe(414)
  })
})

describe('items', () => {
  test('are listed in the order of the request, by page', async () => {
    const id = await ingest(['C', 'A', 'B'])
    const answer = await get(`/api/ingest/${id}/items?limit=2`)
    expect(answer.json()).toStrictEqual({
      data: ['C', 'A'].map((symbol) => ({
        id: A_NUMBER,
        symbol,
        state: 'pending',
        attempts: 0,
        outputsize: null,
        outcome: null,
        history_limited: false,
        waiting_for: null,
        waiting_reason: null,
        next_attempt_at: null,
        started_at: null,
        finished_at: null,
        rows: { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, provisional: 0 },
        warnings: [],
        error: null,
      })),
      pagination: { count: 3, page: 1, limit: 2, pages: 2 },
      info: { error: '' },
    })
  })

  test('say how they succeeded, and a run that needs no request has succeeded at once, without a job', async () => {
    const fetched = await store(context.db, 'IBM', [bar(new Date().toISOString().slice(0, 10), '1')])
    expect(await itemsOf(fetched)).toMatchObject({ data: [{ outcome: 'fetched', history_limited: false }] })
    const payload = { symbols: ['IBM'] }
    const answer = await context.app.inject({ method: 'POST', url: '/api/ingest', payload })
    expect(answer.statusCode).toBe(202)
    expect(answer.json()).toMatchObject({
      data: {
        status: 'succeeded',
        finished_at: A_TEXT,
        estimated_completion_at: null,
        counts: { total: 1, pending: 0, succeeded: 1 },
        rows: { fetched: 0 },
      },
    })
    expect(await itemsOf(runShape.parse(answer.json()).data.id)).toMatchObject({
      data: [{ state: 'succeeded', outcome: 'up_to_date', started_at: null }],
    })
    expect(await context.queue.getJobs()).toStrictEqual([])
    expect(await undispatchedItems(context.db, { limit: 10, minimumAgeMs: 0 })).toHaveLength(0)
  })

  test('are filtered by state', async () => {
    const id = await fail(context.db, 'NOSUCH', REFUSED)
    expect((await get(`/api/ingest/${id}/items?state=failed`)).json()).toMatchObject({
      data: [{ symbol: 'NOSUCH', error: { class: 'invalid_symbol', advice: 'Check the symbol.' } }],
    })
    const none = await get(`/api/ingest/${id}/items?state=pending`)
    expect(none.statusCode).toBe(200)
    expect(none.json()).toMatchObject({ data: [], pagination: { count: 0, pages: 0 } })
    expect(problemOf(await get(`/api/ingest/${id}/items?state=lost`), 400).status).toBe(400)
  })
})

describe('a run that is cancelled', () => {
  test('says so, asked twice the same, and its jobs leave the queue', async () => {
    const id = await ingest(['IBM', 'AAPL'])
    const answer = await cancel(id)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toMatchObject({
      data: { id, status: 'cancelled', counts: { total: 2, pending: 0, cancelled: 2 } },
      info: { error: '' },
    })
    expect((await cancel(id)).body).toBe(answer.body)
    expect(await context.queue.getJobs()).toStrictEqual([])
    expect(await withdrawableItems(context.db, 10)).toStrictEqual([])
  })

  test('is cancelled within a second when it has 5,000 items', async () => {
    const id = await ingest(Array.from({ length: 5_000 }, (_, index) => `S${index}`))
    const startedAt = performance.now()
    const answer = await cancel(id)
    expect(answer.json()).toMatchObject({ data: { status: 'cancelled', counts: { cancelled: 5_000 } } })
    expect(performance.now() - startedAt).toBeLessThan(1_000 * slowness())
  })

  test('was not finished: one that is stays as it is, 409', async () => {
    const id = await store(context.db, 'IBM', [bar('2023-01-03', '1')])
    expect(problemOf(await cancel(id), 409).errors).toMatchObject([{ code: 'run_finished' }])
    expect(problemOf(await cancel(id), 409).status).toBe(409)
    expect((await get(`/api/ingest/${id}`)).json()).toMatchObject({ data: { status: 'succeeded' } })
  })

  test('is named by a UUID: anything else is 400', async () => {
    expect(problemOf(await cancel('IBM'), 400).status).toBe(400)
  })
})

describe('what went wrong', () => {
  test('is listed attempt by attempt, and filtered', async () => {
    const id = await fail(context.db, 'NOSUCH', REFUSED)
    await fail(context.db, 'IBM', { ...REFUSED, class: 'server_error', httpStatus: 503, evidence: null })
    const answer = await get(`/api/failures?run_id=${id}`)
    expect(answer.json()).toStrictEqual({
      data: [
        {
          id: A_NUMBER,
          run_id: id,
          symbol: 'NOSUCH',
          attempt: 1,
          final: true,
          class: 'invalid_symbol',
          detail: REFUSED.detail,
          advice: REFUSED.advice,
          http_status: 200,
          evidence: REFUSED.evidence,
          failed_at: A_TEXT,
        },
      ],
      pagination: { count: 1, page: 1, limit: 20, pages: 1 },
      info: { error: '' },
    })
    expect((await get('/api/failures')).json()).toMatchObject({
      data: [{ symbol: 'IBM' }, { symbol: 'NOSUCH' }],
    })
    expect((await get('/api/failures?symbol=ibm')).json()).toMatchObject({ pagination: { count: 1 } })
    expect((await get('/api/failures?class=server_error')).json()).toMatchObject({
      data: [{ symbol: 'IBM' }],
    })
    expect((await get(`/api/failures?run_id=${randomUUID()}`)).json()).toMatchObject({ data: [] })
    expect(problemOf(await get('/api/failures?class=A%00'), 400).status).toBe(400)
    expect(problemOf(await get('/api/failures?state=failed'), 400).status).toBe(400)
  })

  test('is listed row by row, as the provider sent it', async () => {
    const raw = { '1. open': '<img src=x onerror=alert(1)>', nested: [1, null] }
    const id = await store(
      context.db,
      'IBM',
      [bar('2023-01-03', '1')],
      [
        { date: '2023-01-02', raw, reasons: ['open is not a number'] },
        { date: null, raw: 'x', reasons: ['not a date', 'no fields'] },
      ],
    )
    const answer = await get(`/api/rejected_rows?run_id=${id}&symbol=ibm`)
    expect(answer.json()).toMatchObject({
      data: [
        { symbol: 'IBM', date: null, raw: 'x', reasons: ['not a date', 'no fields'] },
        { run_id: id, date: '2023-01-02', raw, reasons: ['open is not a number'] },
      ],
      pagination: { count: 2 },
    })
    expect((await get('/api/rejected_rows?symbol=AAPL')).json()).toMatchObject({
      data: [],
      pagination: { count: 0 },
    })
  })
})
