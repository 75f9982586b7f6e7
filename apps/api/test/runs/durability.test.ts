import { getRun } from '@stockpile/db/run-status'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { bar, fail, problemOf, runShape, store, useApp } from '../app.js'

const context = useApp()
const get = (url: string) => context.app.inject(url)
const post = (url: string, options: { key?: string; payload?: object } = {}) =>
  context.app.inject({
    method: 'POST',
    url,
    headers: options.key === undefined ? {} : { 'idempotency-key': options.key },
    ...(options.payload === undefined ? {} : { payload: options.payload }),
  })
const ingest = (symbols: string[], key?: string) =>
  post('/api/ingest', { payload: { symbols }, ...(key === undefined ? {} : { key }) })
const listShape = z.looseObject({
  data: z.array(z.looseObject({})),
  pagination: z.looseObject({ count: z.int() }),
})
const runCount = async () => listShape.parse((await get('/api/ingest')).json()).pagination.count
const failure = { class: 'http_error', detail: 'HTTP 503.', advice: 'Wait.', httpStatus: 503, evidence: null }

describe('a POST with an Idempotency-Key', () => {
  test('makes one run however often it is repeated at once, and answers each the same', async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => ingest(['ibm', 'AAPL'], 'nightly-1')))
    expect(new Set(answers.map((answer) => answer.statusCode))).toEqual(new Set([202]))
    expect(new Set(answers.map((answer) => answer.body)).size).toBe(1)
    expect(new Set(answers.map((answer) => answer.headers.location)).size).toBe(1)
    expect(await runCount()).toBe(1)
  })

  test('is 422 for another body, and another key makes another run', async () => {
    await ingest(['IBM'], 'a')
    expect(problemOf(await ingest(['MSFT'], 'a'), 422).errors).toMatchObject([{ code: 'key_reused' }])
    expect((await ingest(['IBM'], 'b')).statusCode).toBe(202)
    // This body writes one and the same request in another way.
    expect((await ingest([' ibm ', 'IBM'], 'a')).statusCode).toBe(202)
    expect(await runCount()).toBe(2)
  })

  test('is answered with the run as it is now when the first answer is of a version with another shape', async () => {
    const first = await ingest(['IBM'], 'a')
    await context.db.execute(
      `UPDATE idempotency_keys SET answer = answer - 'warnings' - 'no_estimate_because'`,
    )
    const second = await ingest(['IBM'], 'a')
    expect(second.statusCode).toBe(202)
    expect(second.headers.location).toBe(first.headers.location)
    expect(runShape.parse(second.json()).data).toMatchObject({ status: 'queued', counts: { pending: 1 } })
    expect(second.json()).toHaveProperty('data.warnings', [])
    expect(await runCount()).toBe(1)
  })

  test.each(['', ' ', 'a b', 'ü', 'x'.repeat(256)])('is 400 for the key %j', async (key) => {
    expect(problemOf(await ingest(['IBM'], key), 400).status).toBe(400)
    expect(await runCount()).toBe(0)
  })
})

describe('retrying', () => {
  test('gives failed items another chance, answers the same twice, and 409 when nothing failed', async () => {
    const id = await fail(context.db, 'IBM', failure)
    for (const answer of [await post(`/api/ingest/${id}/retry`), await post(`/api/ingest/${id}/retry`)]) {
      expect(answer.statusCode).toBe(202)
      expect(runShape.parse(answer.json()).data).toMatchObject({ id, counts: { pending: 1, failed: 0 } })
    }
    const stored = await store(context.db, 'AAPL', [bar('2024-01-02', '11.0000')])
    expect(problemOf(await post(`/api/ingest/${stored}/retry`), 409).errors).toMatchObject([
      { code: 'nothing_failed' },
    ])
    expect((await getRun(context.db, stored))?.status).toBe('succeeded')
  })

  test('an unknown run is 404, and what is no id 400', async () => {
    const unknown = await post('/api/ingest/01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10/retry')
    expect(problemOf(unknown, 404).status).toBe(404)
    expect(problemOf(await post('/api/ingest/5/retry'), 400).status).toBe(400)
  })
})

describe('failures', () => {
  test('of one outage are one line with a count', async () => {
    for (const symbol of ['A', 'B', 'C']) await fail(context.db, symbol, failure)
    await fail(context.db, 'D', { ...failure, class: 'invalid_symbol' })
    expect((await get('/api/failures?group_by=class')).json()).toMatchObject({
      data: [
        { class: 'invalid_symbol', attempts: 1, symbols: 1, final: 1 },
        { class: 'http_error', attempts: 3, symbols: 3, advice: 'Wait.', example: 'HTTP 503.' },
      ],
      pagination: { count: 2, page: 1 },
    })
    expect((await get('/api/failures?group_by=class&page=2&limit=1')).json()).toMatchObject({
      data: [{ class: 'http_error' }],
    })
  })

  test('are found by time', async () => {
    await fail(context.db, 'A', failure)
    expect((await get('/api/failures?from=2020-01-01T00:00:00Z')).json()).toMatchObject({
      data: [{ symbol: 'A' }],
    })
    expect((await get('/api/failures?until=2020-01-01T00:00:00%2B02:00')).json()).toMatchObject({ data: [] })
    for (const wrong of ['yesterday', '2020-01-01', '2020-02-30T00:00:00Z', '']) {
      problemOf(await get(`/api/failures?from=${wrong}`), 400)
    }
    problemOf(await get('/api/failures?group_by=symbol'), 400)
  })
})

describe('a restatement', () => {
  test('is listed with what was stored before, and as_of answers with that', async () => {
    await store(context.db, 'IBM', [bar('2024-01-02', '11.0000'), bar('2024-01-03', '11.0000')])
    const between = new Date().toISOString()
    await store(context.db, 'IBM', [bar('2024-01-02', '11.5000'), bar('2024-01-04', '11.0000')])
    expect((await get('/api/symbols/ibm/revisions')).json()).toMatchObject({
      data: [
        {
          symbol: 'IBM',
          date: '2024-01-02',
          old: { close_price: '11.0000' },
          new: { close_price: '11.5000' },
        },
      ],
      pagination: { count: 1 },
    })
    const then = await get(`/api/financial_data?symbol=IBM&as_of=${between}`)
    expect(then.json()).toMatchObject({
      data: [
        { date: '2024-01-02', close_price: '11.0000' },
        { date: '2024-01-03', close_price: '11.0000' },
      ],
      pagination: { count: 2 },
    })
    const never = await get('/api/financial_data?symbol=IBM&as_of=2001-01-01T00:00:00Z')
    expect(never.json()).toMatchObject({ data: [], pagination: { count: 0, pages: 0 } })
    expect((await get('/api/symbols/NONE/revisions')).json()).toMatchObject({ data: [] })
  })

  test('as_of wants a symbol and an instant', async () => {
    for (const query of [
      'as_of=2024-01-01T00:00:00Z',
      'symbol=IBM&as_of=2024-01-01',
      `symbol=IBM&as_of=${new Date(Date.now() + 60_000).toISOString()}`,
      'symbol=IBM&as_of=0000-01-01T00:00:00Z',
      'symbol=IBM&as_of=2024-01-01T00:00:00%2B18:00',
      `symbol=IBM&as_of=2024-01-01T00:00:00.${'0'.repeat(200)}Z`,
    ]) {
      expect(problemOf(await get(`/api/financial_data?${query}`), 400).status).toBe(400)
    }
  })
})

describe('a rejected record', () => {
  test('is listed once however often it came, and resolved by a sound row', async () => {
    const rejected = [{ date: '2024-01-02', raw: { close: 'x' }, reasons: ['not_a_number'] }]
    const first = await store(context.db, 'IBM', [bar('2024-01-03', '11.0000')], rejected)
    await store(context.db, 'IBM', [bar('2024-01-03', '11.0000')], rejected)
    expect((await get('/api/rejected_rows?resolved=false')).json()).toMatchObject({
      data: [{ symbol: 'IBM', times: 2, resolved_at: null }],
      pagination: { count: 1 },
    })
    expect((await get(`/api/rejected_rows?run_id=${first}`)).json()).toMatchObject({
      pagination: { count: 1 },
    })
    await store(context.db, 'IBM', [bar('2024-01-02', '11.0000')])
    expect((await get('/api/rejected_rows?resolved=false')).json()).toMatchObject({ data: [] })
    problemOf(await get('/api/rejected_rows?resolved=1'), 400)
  })
})
