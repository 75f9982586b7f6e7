import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod'
import { checkAnswers, createClient } from '../src/client.js'
import type { Client } from '../src/client.js'

const DOCUMENT = new URL('../../../apps/api/openapi.json', import.meta.url)
const document: unknown = JSON.parse(await readFile(DOCUMENT, 'utf8'))
/** The document's example of a run, which has a value for each field. */
const RUN = z
  .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
  .transform(({ paths }) => paths['/api/ingest/{id}']?.['get'])
  .pipe(z.object({ responses: z.record(z.string(), z.unknown()) }))
  .transform(({ responses }) => responses['200'])
  .pipe(
    z.object({
      content: z.object({
        'application/json': z.object({
          example: z.object({ data: z.record(z.string(), z.unknown()), info: z.unknown() }),
        }),
      }),
    }),
  )
  .parse(document).content['application/json'].example

const server = createServer((_request, response) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
})
let status = 200
let body: unknown
let client: Client

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo
  client = createClient(`http://127.0.0.1:${port}`)
  client.use(checkAnswers(document))
})
afterAll(() => {
  server.close()
})

const getRun = (answer: unknown, withStatus = 200) => {
  body = answer
  status = withStatus
  return client.GET('/api/ingest/{id}', { params: { path: { id: '01985fd0-7c1a-7b3e-9d52-3f2f8f1f6a10' } } })
}
const changed = (fields: object) => ({ ...RUN, data: { ...RUN.data, ...fields } })

test('an answer as the document has it is its data', async () => {
  expect((await getRun(RUN)).data).toStrictEqual(RUN)
})

test.each([
  ['a status that the document does not know', { status: 'astonished' }],
  ['a field that the document does not know', { mood: 'serene' }],
])('%s is let through: a newer API may have more', async (_what, fields) => {
  expect((await getRun(changed(fields))).data).toStrictEqual(changed(fields))
})

test.each([
  ['counts are missing', { counts: undefined }],
  ['a count is a text', { counts: { total: '3' } }],
  ['an instant is none', { requested_at: 'yesterday' }],
  ['what waits is no object', { waiting: 'for godot' }],
  ['the status is null', { status: null }],
])('an answer in which %s rejects', async (_what, fields) => {
  await expect(getRun(changed(fields))).rejects.toThrow(
    'GET /api/ingest/{id} answered with what the document does not have',
  )
})

test('an answer that is no JSON, or of another status of success, rejects', async () => {
  await expect(getRun(undefined)).rejects.toThrow('JSON')
  await expect(getRun(RUN, 201)).rejects.toThrow('status 201')
})

test('an error is left to the caller', async () => {
  const { data, error, response } = await getRun({ detail: 'There is no run with this id.' }, 404)
  expect({ data, error, status: response.status }).toStrictEqual({
    data: undefined,
    error: { detail: 'There is no run with this id.' },
    status: 404,
  })
})
