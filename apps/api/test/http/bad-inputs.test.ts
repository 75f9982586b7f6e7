import { randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { problemOf, useApp } from '../app.js'

// Inputs that all addresses of a kind refuse: a new address or a new bad input is one line here. An input that one address
// refuses is in the test file of that address, and bytes that are no HTTP are in sockets.test.ts.
const context = useApp({ shared: true })

const ID = '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10'
const LISTS = [
  '/api/financial_data',
  '/financial_data',
  '/api/symbols/IBM/revisions',
  '/api/ingest',
  `/api/ingest/${ID}/items`,
  '/api/failures',
  '/api/rejected_rows',
]
const OF_RUNS = [
  ['GET', '/api/ingest/:id'],
  ['GET', '/api/ingest/:id/items'],
  ['POST', '/api/ingest/:id/cancel'],
  ['POST', '/api/ingest/:id/retry'],
] as const

const NUMBERS = [
  '',
  '0',
  '-1',
  '+1',
  '01',
  '1.5',
  '1e2',
  '0x10',
  '%205%20',
  'Infinity',
  'NaN',
  '1e400',
  'null',
  '%00',
  '%E0%A4%A',
  '%D9%A5',
  '99999999999999999999',
]
const BAD_QUERIES = [
  'limit=1001',
  'size=1001',
  'page=1000000001',
  'limit=5&limit=5',
  'size=5&size=5',
  'page=1&page=1',
  'limit=5&size=5',
  'limit[]=5',
  'LIMIT=5',
  'canary=1',
  '__proto__=1',
  'constructor=1',
  '%00=1',
  '%E0%A4%A=1',
  ...['limit', 'size', 'page'].flatMap((name) => NUMBERS.map((value) => `${name}=${value}`)),
]

test.each(LISTS)('a list refuses what is no page of it: %s', async (url) => {
  for (const query of BAD_QUERIES) {
    const problem = problemOf(await context.app.inject(`${url}?${query}`), 400)
    expect(problem.errors[0]?.pointer).toMatch(/^\/query/)
    expect(JSON.stringify(problem)).not.toContain('canary')
  }
})

test.each([
  ...LISTS.filter((url) => /financial_data|failures|rejected_rows/.test(url)),
  '/api/statistics?start_date=2023-01-01&end_date=2023-01-31',
])('an address that takes a symbol refuses what is none: %s', async (url) => {
  for (const symbol of [
    '',
    '%20',
    '%00',
    'IBM%00',
    '%0A',
    '%09IBM',
    "'",
    '%22',
    '%5C',
    ';',
    '%3Ccanary%3E',
    '%E0%A4%A',
    'A'.repeat(33),
  ]) {
    const answer = await context.app.inject(`${url}${url.includes('?') ? '&' : '?'}symbol=${symbol}`)
    expect(problemOf(answer, 400).errors[0]?.pointer).toBe('/query/symbol')
  }
})

test.each(OF_RUNS)('the id of a run is a UUID, else 400; of none, 404: %s %s', async (method, pattern) => {
  const ask = (id: string) => context.app.inject({ method, url: pattern.replace(':id', id) })
  for (const id of ['5', 'IBM', '%00', '__proto__', `${ID}x`, ID.replace('7', 'g'), "1'%20OR%20'1'='1"])
    expect(problemOf(await ask(id), 400).errors[0]?.pointer).toBe('/path/id')
  expect(problemOf(await ask('%E0%A4%A'), 400).status).toBe(400)
  expect(problemOf(await ask('a'.repeat(101)), 414).status).toBe(414)
  expect(problemOf(await ask(randomUUID()), 404).status).toBe(404)
})

test.each(OF_RUNS.filter(([method]) => method === 'POST'))(
  'what takes no body refuses an odd one: %s %s',
  async (method, pattern) => {
    const url = pattern.replace(':id', ID)
    const send = (headers: Record<string, string>, payload: string) =>
      context.app.inject({ method, url, headers, payload })
    const json = { 'content-type': 'application/json' }
    expect(problemOf(await send(json, '{'), 400).status).toBe(400)
    expect(problemOf(await send(json, ' '.repeat(1024 * 1024 + 1)), 413).status).toBe(413)
    expect(problemOf(await send({ 'content-type': 'text/csv' }, 'a'), 415).status).toBe(415)
    expect(problemOf(await send({ ...json, 'content-encoding': 'gzip' }, '{}'), 415).status).toBe(415)
  },
)

test.each([
  ['no characters', ''],
  ['a space', 'a b'],
  ['256 characters', 'k'.repeat(256)],
  ['other than ASCII', 'caf\u00E9'],
])('an Idempotency-Key of %s is 400', async (_what, key) => {
  const headers = { 'idempotency-key': key }
  const answer = await context.app.inject({
    method: 'POST',
    url: '/api/ingest',
    headers,
    payload: { symbols: ['IBM'] },
  })
  expect(problemOf(answer, 400).errors[0]?.pointer).toBe('/headers/idempotency-key')
})

test('a symbol with any control character is 400', async () => {
  for (const code of [...Array.from({ length: 32 }, (_, index) => index), 127]) {
    const payload = { symbols: [`I${String.fromCharCode(code)}M`] }
    const answer = await context.app.inject({ method: 'POST', url: '/api/ingest', payload })
    expect(problemOf(answer, 400).errors[0]?.pointer).toBe('/body/symbols/0')
  }
})
