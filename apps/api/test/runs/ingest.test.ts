import { undispatchedItems } from '@stockpile/db/dispatch'
import { describe, expect, test } from 'vitest'
import { problemOf, runShape, useApp } from '../app.js'

const JSON_TYPE = { 'content-type': 'application/json' }

describe('an ingest', () => {
  const context = useApp()
  const post = (payload: unknown, url = '/api/ingest') =>
    context.app.inject({ method: 'POST', url, payload: JSON.stringify(payload), headers: JSON_TYPE })

  test('is accepted with its run, to the letter of the contract', async () => {
    const answer = await post({ symbols: ['ibm', ' AAPL ', 'IBM'], outputsize: 'compact' })
    expect(answer.statusCode).toBe(202)
    const { id } = runShape.parse(answer.json()).data
    expect(answer.headers.location).toBe(`/api/ingest/${id}`)
    const requestedAt = /"requested_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"/.exec(answer.body)?.[1]
    const estimate = /"estimated_completion_at":"([^"]+)"/
    expect(answer.body).toBe(
      `{"data":{"id":"${id}","status":"queued","trigger":"api","requested_at":"${requestedAt}","finished_at":null,` +
        '"counts":{"total":2,"pending":2,"running":0,"succeeded":0,"failed":0,"cancelled":0},' +
        '"rows":{"fetched":0,"inserted":0,"updated":0,"unchanged":0,"rejected":0,"provisional":0},' +
        `"estimated_completion_at":"${estimate.exec(answer.body)?.[1]}","no_estimate_because":null,"waiting":null,` +
        '"outputsize":"compact","force":false,"priority":"normal","failures":[],"warnings":[]},' +
        '"info":{"error":""}}',
    )
    const location = await context.app.inject(`/api/ingest/${id}`)
    expect(location.statusCode).toBe(200)
    // A run whose requests can all be sent at once is estimated for now.
    expect(location.body.replace(estimate, '')).toBe(answer.body.replace(estimate, ''))
  })

  test('gives the queue one job a symbol, and notes it', async () => {
    await post({ symbols: ['IBM', 'AAPL'], priority: 'high' })
    const jobs = await context.queue.getJobs(['prioritized'])
    expect(jobs.map((job) => job.data.symbol).toSorted()).toStrictEqual(['AAPL', 'IBM'])
    expect(await undispatchedItems(context.db, { limit: 10, minimumAgeMs: 0 })).toHaveLength(0)
  })

  test('whose answer cannot be read is not stored: no run without its answer', async () => {
    await context.db.execute('ALTER TABLE ingest_failures RENAME TO away')
    problemOf(await post({ symbols: ['IBM'] }), 500)
    expect(await context.db.execute('SELECT 1 FROM ingest_runs')).toHaveLength(0)
  })

  test('answers without the prefix too', async () => {
    const answer = await post({ symbols: ['IBM'] }, '/ingest')
    expect(answer.statusCode).toBe(202)
    expect(answer.headers.location).toMatch(/^\/api\/ingest\//)
  })

  test('takes every way in which the provider writes symbols', async () => {
    const symbols = [
      'BRK-B',
      'BRK.B',
      'ACWV:BAT',
      'BC/PB',
      'NYCB- PR-U',
      'NXT(EXP20091224)',
      '-P-HIZ',
      'M&M.BSE',
      '^GSPC',
    ]
    const answer = await post({ symbols })
    const { id } = runShape.parse(answer.json()).data
    const items = await context.app.inject(`/api/ingest/${id}/items`)
    expect(items.json()).toMatchObject({ data: symbols.map((symbol) => ({ symbol })) })
  })

  test('takes 10,000 symbols of 32 characters', async () => {
    const symbols = Array.from({ length: 10_000 }, (_, index) => `S${index}`.padEnd(32, '-'))
    const answer = await post({ symbols })
    expect(answer.statusCode).toBe(202)
    expect(runShape.parse(answer.json()).data.counts['total']).toBe(10_000)
  })

  test('of more than 10,000 symbols is 422', async () => {
    const problem = problemOf(
      await post({ symbols: Array.from({ length: 10_001 }, (_, index) => `S${index}`) }),
      422,
    )
    expect(problem.errors).toMatchObject([{ pointer: '/body/symbols', code: 'too_big' }])
  })

  test('of half a million bad symbols is refused without looking at each', async () => {
    expect(problemOf(await post({ symbols: Array.from({ length: 500_000 }, () => 0) }), 422).status).toBe(422)
  })

  test('with 10,000 bad symbols is answered with a few of the errors', async () => {
    const problem = problemOf(await post({ symbols: Array.from({ length: 10_000 }, () => '<') }), 400)
    expect(problem.errors).toHaveLength(20)
    expect(problem.detail).toContain('9999 more errors')
  })
})

describe('an ingest is refused with 400 for', () => {
  const context = useApp({ shared: true })
  const post = (payload: string) =>
    context.app.inject({ method: 'POST', url: '/api/ingest', payload, headers: JSON_TYPE })

  test.each([
    ['a number', 5, '/body'],
    ['null', null, '/body'],
    ['a list', [], '/body'],
    ['a text', 'IBM', '/body'],
    ['no symbols', {}, '/body/symbols'],
    ['symbols as a text', { symbols: 'IBM' }, '/body/symbols'],
    ['symbols as a number', { symbols: 5 }, '/body/symbols'],
    ['symbols as null', { symbols: null }, '/body/symbols'],
    ['symbols as an object', { symbols: { 0: 'IBM', length: 1 } }, '/body/symbols'],
    ['no symbol', { symbols: [] }, '/body/symbols'],
    ['a symbol that is a number', { symbols: ['IBM', 5] }, '/body/symbols/1'],
    ['a symbol that is null', { symbols: [null] }, '/body/symbols/0'],
    ['an empty symbol', { symbols: [''] }, '/body/symbols/0'],
    ['a blank symbol', { symbols: ['   '] }, '/body/symbols/0'],
    ['an over-long symbol', { symbols: ['A'.repeat(33)] }, '/body/symbols/0'],
    ['a NUL', { symbols: ['IBM\0'] }, '/body/symbols/0'],
    ['a line feed', { symbols: ['IBM\n'] }, '/body/symbols/0'],
    ['a quote', { symbols: ["IBM'"] }, '/body/symbols/0'],
    ['markup', { symbols: ['<img src=x onerror=alert(1)>'] }, '/body/symbols/0'],
    ['a letter that upper-cases to ASCII', { symbols: ['\u0131bm'] }, '/body/symbols/0'],
    ['an unknown field', { symbols: ['IBM'], canary: 1 }, '/body'],
    ['another outputsize', { symbols: ['IBM'], outputsize: 'all' }, '/body/outputsize'],
    ['force as a text', { symbols: ['IBM'], force: 'true' }, '/body/force'],
    ['priority as a number', { symbols: ['IBM'], priority: 1 }, '/body/priority'],
  ])('%s', async (_what, body, pointer) => {
    const problem = problemOf(await post(JSON.stringify(body)), 400)
    expect(problem.errors[0]?.pointer).toBe(pointer)
    expect(JSON.stringify(problem)).not.toMatch(/canary|onerror/)
  })

  test.each([
    ['half a body', '{'],
    ['an empty body', ''],
    ['a body that sets the prototype', '{"symbols":["IBM"],"__proto__":{"force":true}}'],
    ['a body that sets the constructor', '{"symbols":["IBM"],"constructor":{"prototype":{"force":true}}}'],
    ['NaN', '{"symbols":["IBM"],"force":NaN}'],
    ['a deep nesting', `{"symbols":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['a deep nesting of objects', `${'{"symbols":'.repeat(50_000)}1${'}'.repeat(50_000)}`],
    ['a byte order mark of UTF-16', '\uFFFE{}'],
  ])('%s', async (_what, payload) => {
    expect(problemOf(await post(payload), 400).status).toBe(400)
  })

  test('no body at all', async () => {
    expect(problemOf(await context.app.inject({ method: 'POST', url: '/api/ingest' }), 400).status).toBe(400)
  })
})

describe('an ingest is refused with 413 and 415 for', () => {
  const context = useApp({ shared: true })
  const send = (headers: Record<string, string>, payload: string) =>
    context.app.inject({ method: 'POST', url: '/api/ingest', headers, payload })

  test('a body over 1 MiB', async () => {
    const payload = JSON.stringify({ symbols: ['IBM'], x: 'x'.repeat(1024 * 1024) })
    expect(problemOf(await send({ 'content-type': 'application/json' }, payload), 413).status).toBe(413)
  })

  test.each([
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['plain text', { 'content-type': 'text/plain' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['another charset in quotes', { 'content-type': 'application/json;charset="latin1"' }],
    ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['no content type', { 'content-type': '' }],
  ])('%s', async (_what, headers) => {
    expect(problemOf(await send(headers, '{"symbols":["IBM"]}'), 415).status).toBe(415)
  })

  test('not for UTF-8 that is named', async () => {
    const headers = { 'content-type': 'application/json; charset=UTF-8', 'content-encoding': 'identity' }
    expect((await send(headers, '{"symbols":["IBM"]}')).statusCode).toBe(202)
  })
})
