import { describe, expect, test } from 'vitest'
import { parseAs } from '../fuzz/formats.js'
import { readDocument } from '../fuzz/document.js'
import { createJudge } from '../fuzz/judge.js'
import type { FuzzRequest } from '../fuzz/fuzz-request.js'
import { parseAnswer } from '../fuzz/send.js'

const judge = createJudge(await readDocument())
const ID = '7b71a705-f5ba-4396-8589-bcf119244c11'
const alive = { data: { status: 'alive' }, info: { error: '' } }
const good = {
  status: 200,
  headers: { 'content-type': 'application/json; charset=utf-8', 'x-request-id': ID },
  body: JSON.stringify(alive),
}
const request = (change: Partial<FuzzRequest> = {}): FuzzRequest => ({
  kind: 'hostile',
  what: '',
  expect: 'documented',
  method: 'GET',
  target: '/healthz',
  headers: {},
  body: undefined,
  ...change,
})

describe('the judge of the fuzz command', () => {
  test('takes an answer that is as documented', () => {
    expect(judge(request(), good)).toStrictEqual([])
    expect(judge(request({ method: 'HEAD' }), { ...good, body: '' })).toStrictEqual([])
  })

  test.each([
    ['a fault of the server', { status: 500 }, 'is 500'],
    ['no answer', { status: 0 }, 'is none'],
    ['an undocumented status', { status: 418 }, 'undocumented status 418'],
    ['another type', { headers: { ...good.headers, 'content-type': 'text/html' } }, 'is of type text/html'],
    [
      'a header that is missing',
      { headers: { 'content-type': 'application/json' } },
      'has no header x-request-id',
    ],
    [
      'a header of another form',
      { headers: { ...good.headers, 'x-request-id': '5' } },
      'header x-request-id',
    ],
    ['no JSON', { body: '{' }, 'is no JSON'],
    ['another body', { body: '{"data":{"status":"dead"}}' }, 'is not of its schema'],
    ['a field too many', { body: JSON.stringify({ ...alive, more: 1 }) }, 'is not of its schema'],
    ['what was sent', { body: JSON.stringify({ ...alive, more: '<ZQcanary>' }) }, 'repeats what was sent'],
    ['SQL', { body: 'Failed query: select "symbol" from "financial_data"' }, 'shows SQL'],
    ['a stack', { body: 'Error\n    at main (apps/api/src/main.ts:5:1)' }, 'shows a stack'],
  ])('finds %s', (_what, change, difference) => {
    expect(judge(request(), { ...good, ...change }).join('; ')).toContain(difference)
  })

  test('finds what a request should not have got', () => {
    expect(judge(request({ expect: 'refused' }), good)).toStrictEqual([
      'is 200 to a request that is not valid',
    ])
    expect(judge(request({ expect: 'wrong method' }), good)).toStrictEqual(['is 200 to a wrong method'])
  })
})

describe('a body is read by its media type', () => {
  test.each([
    ['text/csv', 'symbol,date\r\nIBM,2023-01-03\r\n'],
    ['text/csv', 'a,b\r\n"x,""y""\r\n",2'],
    ['application/x-ndjson', '{"a":1}\n{"a":2}\n'],
    ['application/x-ndjson', ''],
    ['text/plain', 'anything'],
  ])('%s: %j is sound', (type, body) => {
    expect(parseAs(type, body)).toStrictEqual({ value: body })
  })

  test.each([
    ['text/csv', ''],
    ['text/csv', 'a,b\r\n1\r\n'],
    ['text/csv', 'a,b\r\n"1,2\r\n'],
    ['text/csv', 'a,b\n1,2\n'],
    ['application/x-ndjson', '{"a":1}\n{"a":'],
    ['application/x-ndjson', '{"a":1}'],
    ['application/problem+json', '{'],
  ])('%s: %j is not', (type, body) => {
    expect(parseAs(type, body)).toHaveProperty('fault')
  })
})

describe('an answer to a request that no HTTP client sends', () => {
  const bytes = (text: string) => Buffer.from(text).toString('latin1')

  test('is read without the sizes of its chunks, which count bytes', () => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    const answer = parseAnswer(bytes(`${head}3\r\né,\r\n2\r\n1\n\r\n0\r\n\r\n`))
    expect(answer).toMatchObject({ status: 200, body: 'é,1\n' })
  })

  test('that breaks off between two chunks has what came before', () => {
    const answer = parseAnswer('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
    expect(answer.body).toBe('a')
  })
})
