import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { useApp } from '../app.js'

const mediaSchema = z.looseObject({
  schema: z.record(z.string(), z.unknown()),
  example: z.unknown().optional(),
})
const responseSchema = z.object({
  description: z.string(),
  headers: z.record(z.string(), z.unknown()),
  content: z.record(z.string(), mediaSchema).default({}),
})
const operationSchema = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()).length(1),
  'x-aliases': z.array(z.string()).default([]),
  parameters: z
    .array(
      z.looseObject({
        name: z.string(),
        in: z.enum(['query', 'path', 'header']),
        description: z.string(),
        schema: z.record(z.string(), z.unknown()),
        example: z.unknown().optional(),
      }),
    )
    .default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), mediaSchema) }).optional(),
  responses: z.record(z.string(), z.union([z.strictObject({ $ref: z.string() }), responseSchema])),
})
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({
    schemas: z.record(z.string(), z.unknown()),
    responses: z.record(z.string(), responseSchema),
    headers: z.record(z.string(), z.unknown()),
  }),
})

const context = useApp({ shared: true })
const read = async () => documentSchema.parse((await context.app.inject('/openapi.json')).json())

test('OpenAPI describes every route of the contract once', async () => {
  const { paths } = await read()
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(routes.toSorted()).toStrictEqual([
    'GET /api',
    'GET /api/failures',
    'GET /api/financial_data',
    'GET /api/financial_data.csv',
    'GET /api/financial_data.ndjson',
    'GET /api/ingest',
    'GET /api/ingest/{id}',
    'GET /api/ingest/{id}/items',
    'GET /api/quota',
    'GET /api/rejected_rows',
    'GET /api/statistics',
    'GET /api/symbols/{symbol}/revisions',
    'GET /api/workers',
    'GET /healthz',
    'GET /readyz',
    'POST /api/ingest',
    'POST /api/ingest/{id}/cancel',
    'POST /api/ingest/{id}/retry',
  ])
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map((one) => one.operationId))
  expect(new Set(ids).size).toBe(routes.length)
})

test('OpenAPI names the second address of an operation where programs find it', async () => {
  const { paths } = await read()
  const aliases = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .flatMap((operation) => operation['x-aliases'])
  expect(aliases).toStrictEqual(['/financial_data', '/statistics', '/ingest'])
})

test('OpenAPI names every error of an operation by a component, those of any request included', async () => {
  const { components } = await read()
  const examples = Object.entries(components.responses).map(([name, { content }]): [string, unknown] => [
    `#/components/responses/${name}`,
    content['application/problem+json']?.example,
  ])
  for (const { operationId, responses } of await operations()) {
    const errors = Object.entries(responses).filter(([status]) => !isSuccess(status))
    for (const [status, answer] of errors) {
      expect(examples, `${operationId} ${status}`).toContainEqual([
        '$ref' in answer ? answer.$ref : undefined,
        expect.objectContaining({ status: Number(status) }),
      ])
    }
    expect(errors.map(([status]) => status)).toEqual(
      expect.arrayContaining(['400', '408', '414', '415', '431', '500', '503']),
    )
    expect(Object.keys(responses).some(isSuccess)).toBe(true)
  }
})

test('OpenAPI has the headers that answers carry', async () => {
  const { components, paths } = await read()
  expect(components.responses['ServiceUnavailable']?.headers).toHaveProperty('Retry-After')
  expect(components.responses['MethodNotAllowed']?.headers).toHaveProperty('Allow')
  expect(paths['/api/ingest']?.['post']?.responses['202']).toHaveProperty('headers.Location')
  for (const answer of Object.values(components.responses)) {
    expect(answer.headers).toHaveProperty('X-Request-Id')
    expect(Object.keys(answer.content)).toStrictEqual(['application/problem+json'])
  }
})

test('OpenAPI has an example of every parameter, body and answer, and each is valid by its own schema', async () => {
  const document = await read()
  const ajv = new Ajv2020({ strict: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'document')
  const check = (schema: object, example: unknown, what: string) => {
    // All references in the document are to its own components.
    const absolute = JSON.stringify(schema).replaceAll('"#/', '"document#/')
    const validate = ajv.compile(z.record(z.string(), z.unknown()).parse(JSON.parse(absolute)))
    expect(example !== undefined && validate(example), `${what}: ${ajv.errorsText(validate.errors)}`).toBe(
      true,
    )
  }
  for (const { operationId, parameters, requestBody, responses } of await operations()) {
    for (const { name, schema, example } of parameters)
      check(
        schema,
        example ?? z.array(z.unknown()).optional().parse(schema['examples'])?.[0],
        `${operationId} ${name}`,
      )
    for (const answer of [requestBody, ...Object.values(responses)]) {
      if (answer === undefined || '$ref' in answer) continue
      for (const { schema, example } of Object.values(answer.content)) check(schema, example, operationId)
    }
  }
  for (const [name, { content }] of Object.entries(document.components.responses))
    for (const { schema, example } of Object.values(content)) check(schema, example, name)
})

test('OpenAPI says that prices are as the provider wrote them, and not adjusted', async () => {
  const { paths, components } = await read()
  expect(JSON.stringify(paths['/api/financial_data'])).toContain('#/components/schemas/Bar"')
  const text = JSON.stringify(components.schemas['Bar'])
  expect(text).toContain('Exactly as the provider wrote it')
  expect(text).toContain('not adjusted for splits')
})

test('OpenAPI knows the parameters as they are checked', async () => {
  const { paths } = await read()
  const parameters = paths['/api/financial_data']?.['get']?.parameters
  expect(parameters).toMatchObject([
    { name: 'symbol', required: false, schema: { type: 'string', maxLength: 32 } },
    { name: 'symbols', schema: { type: 'string' } },
    { name: 'start_date', schema: { type: 'string', format: 'date' } },
    { name: 'end_date', schema: { type: 'string', format: 'date' } },
    { name: 'latest', schema: { type: 'boolean' } },
    { name: 'as_of', schema: { type: 'string', format: 'date-time' } },
    { name: 'order', schema: { type: 'string', enum: ['asc', 'desc'] } },
    { name: 'fields', schema: { type: 'string' } },
    { name: 'limit', schema: { type: 'integer', minimum: 1, maximum: 1000, default: 5 } },
    { name: 'size' },
    { name: 'page', schema: { type: 'integer', minimum: 1, maximum: 1_000_000_000, default: 1 } },
    { name: 'cursor', schema: { type: 'string', pattern: '^[A-Za-z0-9_-]+$' } },
    { name: 'if-none-match', in: 'header' },
  ])
})

test('OpenAPI has the headers of answers that can be kept, and their 304 without a body', async () => {
  const { paths } = await read()
  for (const path of ['/api/statistics', '/api/financial_data']) {
    const { parameters, responses } = paths[path]?.['get'] ?? {}
    expect(parameters).toContainEqual(expect.objectContaining({ name: 'if-none-match', in: 'header' }))
    for (const status of ['200', '304'])
      expect(responses?.[status]).toMatchObject({ headers: { ETag: {}, 'Cache-Control': {}, Vary: {} } })
    expect(responses?.['304']).toMatchObject({ content: {} })
  }
})

test('OpenAPI has an example of bars in each format', async () => {
  const { paths } = await read()
  const contentOf = (path: string) => responseSchema.parse(paths[path]?.['get']?.responses['200']).content
  expect(contentOf('/api/financial_data')).toMatchObject({
    'application/json': { example: { info: { error: '' } } },
  })
  expect(contentOf('/api/financial_data.csv')['text/csv']?.example).toContain('symbol,date')
  expect(contentOf('/api/financial_data.ndjson')['application/x-ndjson']?.example).toContain('{"symbol"')
})

test('OpenAPI has only components that something refers to', async () => {
  const answer = await context.app.inject('/openapi.json')
  const { components } = await read()
  const names = Object.entries(components).flatMap(([kind, ones]) =>
    Object.keys(ones).map((name) => `"#/components/${kind}/${name}"`),
  )
  // No operation refers to MethodNotAllowed: an address answers it to methods that are no operation.
  const unused = ['"#/components/responses/MethodNotAllowed"', '"#/components/headers/Allow"']
  for (const name of names.filter((one) => !unused.includes(one))) expect(answer.body).toContain(name)
})

async function operations() {
  return Object.values((await read()).paths).flatMap((methods) => Object.values(methods))
}

function isSuccess(status: string): boolean {
  return status < '400'
}
