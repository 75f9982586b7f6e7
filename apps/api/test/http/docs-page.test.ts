import { bar, store, useApp } from '../app.js'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'

const methodSchema = z.enum(['GET', 'POST', 'PUT', 'DELETE'])
const valueSchema = z.union([z.string(), z.number(), z.boolean()]).optional()
const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        parameters: z
          .array(
            z.object({
              name: z.string(),
              in: z.enum(['query', 'path', 'header']),
              example: valueSchema,
              schema: z.looseObject({ default: valueSchema }),
            }),
          )
          .default([]),
        requestBody: z
          .object({ content: z.record(z.string(), z.object({ example: z.unknown() })) })
          .optional(),
      }),
    ),
  ),
})

describe('/docs', () => {
  const context = useApp()
  const readPage = async (): Promise<unknown> => (await context.app.inject('/docs/json')).json()

  test('fills in of each operation what is answered with success', async () => {
    const { paths } = documentSchema.parse(await readPage())
    await store(context.db, 'IBM', [bar('2023-01-03', '10.0000')])
    const failed: string[] = []
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { parameters, requestBody }] of Object.entries(methods)) {
        // The page fills in a parameter's example, else the default of its schema, else nothing.
        const filled = parameters.flatMap((one) => {
          const value = one.example ?? one.schema.default
          return value === undefined ? [] : [{ ...one, value: String(value) }]
        })
        const at = (place: string) => filled.filter((one) => one.in === place)
        const id = at('path').find(({ name }) => name === 'id')?.value
        if (id !== undefined) await makeRun(id, path.endsWith('/retry') ? 'failed' : 'pending')
        const query = new URLSearchParams(
          Object.fromEntries(at('query').map(({ name, value }) => [name, value])),
        )
        const address = path.replaceAll(
          /\{(\w+)\}/g,
          (_all, name: string) => at('path').find((one) => one.name === name)?.value ?? '',
        )
        const answer = await context.app.inject({
          method: methodSchema.parse(method.toUpperCase()),
          url: `${address}?${query.toString()}`,
          headers: Object.fromEntries(at('header').map(({ name, value }) => [name, value])),
          ...(requestBody === undefined
            ? {}
            : { payload: z.looseObject({}).parse(requestBody.content['application/json']?.example) }),
        })
        if (answer.statusCode >= 300) failed.push(`${method} ${address}: ${answer.statusCode} ${answer.body}`)
      }
    }
    expect(failed).toStrictEqual([])
  })

  test('shows an error of an operation as a line, and the body of all of them once', async () => {
    const { components } = z
      .object({
        components: z.object({
          responses: z.record(z.string(), z.looseObject({})),
          schemas: z.looseObject({ Problem: z.looseObject({}) }),
        }),
      })
      .parse(await readPage())
    for (const response of Object.values(components.responses)) expect(response).not.toHaveProperty('content')
  })

  /** Makes a run with the id, whose only item is in the state. */
  async function makeRun(id: string, state: 'failed' | 'pending'): Promise<void> {
    for (const statement of [
      `DELETE FROM ingest_items WHERE run_id = '${id}'`,
      `INSERT INTO ingest_runs (id, trigger, outputsize, force, priority) VALUES ('${id}', 'api', 'auto', false, 'normal')
         ON CONFLICT (id) DO UPDATE SET cancelled_at = NULL`,
      `INSERT INTO ingest_items (run_id, symbol, state, finished_at)
         VALUES ('${id}', 'IBM', '${state}', ${state === 'failed' ? 'now()' : 'NULL'})`,
    ])
      await context.db.execute(statement)
  }
})
