import { describe, expect, test } from 'vitest'
import { january, problemOf, store, useApp } from '../app.js'

describe('any request', () => {
  const context = useApp({ shared: true })

  test.each([
    ['DELETE', '/api/financial_data', 'GET, HEAD'],
    ['POST', '/statistics', 'GET, HEAD'],
    ['PUT', '/api/ingest', 'GET, HEAD, POST'],
    ['OPTIONS', '/ingest', 'POST'],
    ['GET', '/ingest', 'POST'],
    ['PATCH', '/api/ingest/01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10', 'GET, HEAD'],
    ['GET', '/api/ingest/x/cancel', 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
  ] as const)('with a wrong method is 405 with Allow: %s %s', async (method, url, allow) => {
    const answer = await context.app.inject({ method, url: `${url}?x=1` })
    expect(problemOf(answer, 405).status).toBe(405)
    expect(answer.headers['allow']).toBe(allow)
  })

  test('with a wrong method is 405 whatever body it has', async () => {
    const headers = { 'content-type': 'text/csv' }
    const answer = await context.app.inject({ method: 'POST', url: '/api/statistics', headers, payload: 'a' })
    expect(problemOf(answer, 405).status).toBe(405)
  })

  test.each(['/canary', '/api/', '/API/ingest', '/quota', '//', '/metrics'])(
    'of an unknown address is 404: %s',
    async (url) => {
      const problem = problemOf(await context.app.inject(url), 404)
      expect(JSON.stringify(problem)).not.toContain('canary')
    },
  )

  test.each(['/api/ingest/%E0%A4%A', '/%', '/api/ingest/%zz/items'])(
    'whose URL cannot be decoded is 400: %s',
    async (url) => {
      const answer = await context.app.inject(url)
      expect(problemOf(answer, 400).status).toBe(400)
      expect(answer.headers['x-content-type-options']).toBe('nosniff')
    },
  )

  test('with an over-long URL is 414', async () => {
    expect(
      problemOf(await context.app.inject(`/api/financial_data?symbol=${'A'.repeat(9_000)}`), 414).status,
    ).toBe(414)
  })

  test('has an answer that no browser takes for another type, and an id that the log has too', async () => {
    const answer = await context.app.inject('/api/financial_data?limit=canary')
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    const problem = problemOf(answer, 400)
    expect(answer.headers['x-request-id']).toBe(problem.request_id)
    expect(problem.instance).toBe(`urn:uuid:${problem.request_id}`)
    const line = context.logLines.find((entry) => entry.includes(problem.request_id))
    expect(JSON.parse(line ?? '')).toMatchObject({ method: 'GET', path: '/api/financial_data', status: 400 })
    // No log line has the query, which may hold a key that was sent to the wrong server.
    expect(line).not.toContain('canary')
  })

  test('is redirected to the documentation from the root', async () => {
    const answer = await context.app.inject('/')
    expect(answer.statusCode).toBe(302)
    expect(answer.headers.location).toBe('/docs')
    expect((await context.app.inject('/docs')).statusCode).toBe(200)
  })
})

describe('a fault of the server', () => {
  const context = useApp()

  test('is 500 without its reason, which is logged once, without parameters', async () => {
    await store(context.db, 'IBM', january())
    // The statement fails for want of its table, which is an error that no code expects.
    await context.db.execute('ALTER TABLE financial_data RENAME TO gone')
    const answer = await context.app.inject('/api/financial_data?symbol=CANARY')
    const problem = problemOf(answer, 500)
    expect(answer.body).not.toMatch(/financial_data|select|CANARY|at /i)
    const logged = context.logLines.filter((line) => line.includes('"level":"error"'))
    expect(logged).toHaveLength(1)
    expect(logged[0]).toContain(problem.request_id)
    expect(logged[0]).toContain('42P01')
    expect(logged[0]).not.toContain('CANARY')
  })

  test('is 503 with Retry-After when a statement takes too long', async () => {
    await context.db.transaction(async (tx) => {
      await tx.execute('LOCK TABLE ingest_runs')
      await context.db.execute("SET statement_timeout TO '200ms'")
      const answer = await context.app.inject('/api/ingest')
      expect(problemOf(answer, 503).status).toBe(503)
      expect(answer.headers['retry-after']).toBe('5')
    })
  })
})

describe('without a database', () => {
  // No server listens on port 1.
  const context = useApp({ databaseUrl: 'postgres://127.0.0.1:1/stockpile' })

  test.each([
    ['GET', '/api/financial_data'],
    ['GET', '/api/statistics?symbol=IBM&start_date=2023-01-01&end_date=2023-01-02'],
    ['GET', '/api/ingest'],
    ['POST', '/api/ingest'],
    ['GET', '/api/failures'],
    ['GET', '/api/quota'],
    ['GET', '/readyz'],
  ] as const)('every route that needs it is 503 with Retry-After: %s %s', async (method, url) => {
    const payload = method === 'POST' ? { payload: { symbols: ['IBM'] } } : {}
    const answer = await context.app.inject({ method, url, ...payload })
    expect(problemOf(answer, 503).detail).toContain('The database')
    expect(answer.headers['retry-after']).toBe('5')
    expect(answer.body).not.toMatch(/ECONN|127\.0\.0\.1/)
  })

  test('it is alive, and refuses what is not valid as ever', async () => {
    const answer = await context.app.inject('/healthz')
    expect(answer.body).toBe('{"data":{"status":"alive"},"info":{"error":""}}')
    expect(problemOf(await context.app.inject('/api/financial_data?limit=0'), 400).status).toBe(400)
  })
})
