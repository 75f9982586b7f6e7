import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { problemOf, useApp } from '../app.js'

describe.each(queueBackends())('the board of a queue in $name', ({ redisUrl }) => {
  const context = useApp({ redisUrl })
  const ingest = (symbols: string[]) =>
    context.app.inject({ method: 'POST', url: '/api/ingest', payload: { symbols } })

  test('shows the jobs by their symbols', async () => {
    await ingest(['IBM'])
    const answer = await context.app.inject(
      '/queues/api/queues?activeQueue=ingest&status=prioritized&page=1&jobsPerPage=10',
    )
    expect(answer.json()).toMatchObject({
      queues: [
        {
          name: 'ingest',
          readOnlyMode: true,
          counts: { prioritized: 1 },
          jobs: [{ name: 'IBM', data: { symbol: 'IBM' } }],
        },
      ],
    })
  })

  test('shows one job, with its logs', async () => {
    await ingest(['IBM'])
    const [job] = await context.queue.getJobs(['prioritized'])
    await job?.log('a line of the worker')
    const answer = await context.app.inject(`/queues/api/queues/ingest/${job?.id}`)
    expect(answer.json()).toMatchObject({ job: { name: 'IBM' }, status: 'prioritized' })
    expect((await context.app.inject(`/queues/api/queues/ingest/${job?.id}/logs`)).body).toContain(
      'a line of the worker',
    )
  })

  test.each([
    ['PUT', 'pause'],
    ['PUT', 'ingest/pause'],
    ['PUT', 'ingest/empty'],
    ['PUT', 'ingest/obliterate'],
    ['PUT', 'ingest/clean/failed'],
    ['PUT', 'ingest/retry/failed'],
    ['PUT', 'ingest/promote'],
    ['POST', 'ingest/add'],
    ['PUT', 'ingest/concurrency'],
    ['PUT', 'ingest/rate-limit'],
    ['PUT', 'ingest/JOB/clean'],
    ['PUT', 'ingest/JOB/retry'],
    ['PATCH', 'ingest/JOB/update-data'],
  ] as const)('changes nothing, whoever asks: %s %s', async (method, path) => {
    await ingest(['IBM'])
    const [job] = await context.queue.getJobs(['prioritized'])
    const headers = { origin: 'https://elsewhere.example', 'content-type': 'application/json' }
    const url = `/queues/api/queues/${path.replace('JOB', job?.id ?? '')}`
    const answer = await context.app.inject({ method, url, headers, payload: '{}' })
    expect([403, 404, 405]).toContain(answer.statusCode)
    problemOf(answer, answer.statusCode)
    expect(await context.queue.isPaused()).toBe(false)
    expect(await context.queue.getJobs()).toHaveLength(1)
  })

  test('sends what a job holds as data that no browser runs', async () => {
    const symbol = '<img src=x onerror=alert(1)>'
    await context.queue.add(symbol, {
      version: 1,
      itemId: 1,
      runId: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10',
      symbol,
    })
    const answer = await context.app.inject('/queues/api/queues?activeQueue=ingest&page=1&jobsPerPage=10')
    expect(answer.headers['content-type']).toContain('application/json')
    expect(answer.headers['x-content-type-options']).toBe('nosniff')
    expect(answer.json()).toMatchObject({ queues: [{ jobs: [{ name: symbol }] }] })
    const page = await context.app.inject('/queues/queue/ingest')
    expect(page.headers['content-type']).toContain('text/html')
    expect(page.headers['content-security-policy']).toContain("default-src 'self'")
    expect(page.body).not.toContain('onerror')
  })

  test('names no other host, in its page and what that loads', async () => {
    const page = await context.app.inject('/queues')
    expect(page.statusCode).toBe(200)
    // Bull Board itself asks Google for fonts.
    const loaded = [...page.body.matchAll(/<(?:link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"/g)].flatMap(
      ([, address]) => address ?? [],
    )
    expect(loaded.length).toBeGreaterThanOrEqual(3)
    const foreign = loaded.filter((one) => new URL(one, 'http://here.test/queues/').host !== 'here.test')
    expect(foreign).toEqual([])
    expect(page.body).not.toMatch(/googleapis|gstatic/)
    for (const address of loaded.filter((one) => one.endsWith('.css'))) {
      const { pathname } = new URL(address, 'http://here.test/queues/')
      const sheet = await context.app.inject(pathname)
      expect([pathname, sheet.statusCode]).toEqual([pathname, 200])
      expect(sheet.body).not.toMatch(/(?:@import|url\()\s*['"]?(?:https?:)?\/\//)
    }
  })

  test('tells nothing of the server behind the queue', async () => {
    expect((await context.app.inject('/queues/api/redis/stats')).statusCode).toBe(403)
  })
})
