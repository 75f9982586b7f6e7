import { expect, test } from 'vitest'
import * as z from 'zod'
import { useApp } from './app.js'

const mediaSchema = z.looseObject({
  schema: z.record(z.string(), z.unknown()),
  example: z.unknown().optional(),
})
const operationSchema = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()).length(1),
  parameters: z
    .array(
      z.looseObject({ name: z.string(), in: z.enum(['query', 'path', 'header']), description: z.string() }),
    )
    .default([]),
  responses: z.record(
    z.string(),
    z.object({
      description: z.string(),
      content: z.record(z.string(), mediaSchema).default({}),
      headers: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
})
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
})

const context = useApp({ shared: true })
const read = async () => documentSchema.parse((await context.app.inject('/openapi.json')).json())

test('OpenAPI describes every route of the contract once', async () => {
  const { paths } = await read()
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(routes.toSorted()).toStrictEqual([
    'GET /api/failures',
    'GET /api/financial_data',
    'GET /api/ingest',
    'GET /api/ingest/{id}',
    'GET /api/ingest/{id}/items',
    'GET /api/quota',
    'GET /api/rejected_rows',
    'GET /api/statistics',
    'GET /api/symbols/{symbol}/revisions',
    'GET /healthz',
    'GET /readyz',
    'POST /api/ingest',
    'POST /api/ingest/{id}/cancel',
    'POST /api/ingest/{id}/retry',
  ])
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId))
  expect(new Set(ids).size).toBe(routes.length)
})

test('OpenAPI has an example of every success, and a problem for every error', async () => {
  const { paths } = await read()
  const answers = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap(({ operationId, responses }) =>
      Object.entries(responses).map(([status, { content }]) => ({ operationId, status, content })),
    )
  for (const { content } of answers.filter(isSuccess)) {
    expect(content['application/json']?.example).toMatchObject({ info: { error: '' } })
  }
  for (const { content } of answers.filter((answer) => !isSuccess(answer) && answer.status !== '304')) {
    expect(content['application/problem+json']?.schema).toStrictEqual({
      $ref: '#/components/schemas/Problem',
    })
  }
  const withDefault = answers
    .filter((answer) => answer.status === 'default')
    .map((answer) => answer.operationId)
  expect(withDefault).toStrictEqual(answers.filter(isSuccess).map((answer) => answer.operationId))
})

test('OpenAPI says that prices are as the provider wrote them, and not adjusted', async () => {
  const { paths } = await read()
  const text = JSON.stringify(paths['/api/financial_data']?.['get']?.responses['200'])
  expect(text).toContain('Exactly as the provider wrote it')
  expect(text).toContain('not adjusted for splits')
})

test('OpenAPI knows the parameters as they are checked', async () => {
  const { paths } = await read()
  const parameters = paths['/api/financial_data']?.['get']?.parameters
  expect(parameters).toMatchObject([
    { name: 'symbol', required: false, schema: { type: 'string', maxLength: 32 } },
    { name: 'start_date', schema: { type: 'string', format: 'date' } },
    { name: 'end_date', schema: { type: 'string', format: 'date' } },
    { name: 'as_of', schema: { type: 'string', format: 'date-time' } },
    { name: 'limit', schema: { type: 'integer', minimum: 1, maximum: 1000, default: 5 } },
    { name: 'size' },
    { name: 'page', schema: { type: 'integer', minimum: 1, maximum: 1_000_000_000, default: 1 } },
    { name: 'format', schema: { enum: ['json', 'csv', 'ndjson'] } },
    { name: 'if-none-match', in: 'header' },
  ])
})

test('OpenAPI has the headers of answers that can be kept, and their 304 without a body', async () => {
  const { paths } = await read()
  const { parameters, responses } = paths['/api/statistics']?.['get'] ?? {}
  expect(parameters).toContainEqual(expect.objectContaining({ name: 'if-none-match', in: 'header' }))
  expect(Object.keys(responses?.['200']?.headers ?? {})).toStrictEqual(['ETag', 'Cache-Control', 'Vary'])
  expect(responses?.['304']).toMatchObject({ content: {}, headers: responses?.['200']?.headers })
})

test('OpenAPI has only components that something refers to', async () => {
  const answer = await context.app.inject('/openapi.json')
  for (const name of Object.keys((await read()).components.schemas)) {
    expect(answer.body).toContain(`"#/components/schemas/${name}"`)
  }
})

function isSuccess(answer: { status: string }): boolean {
  return answer.status.startsWith('2')
}
