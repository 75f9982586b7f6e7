import { readFile } from 'node:fs/promises'
import * as z from 'zod'

/** The keywords of a schema from which requests are made. The validator reads the schemas of answers by itself. */
const schemaShape = z.looseObject({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  enum: z.array(z.union([z.string(), z.number(), z.boolean(), z.null()])).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  required: z.array(z.string()).optional(),
  examples: z.array(z.unknown()).optional(),
  get items() {
    return schemaShape.optional()
  },
  get properties() {
    return z.record(z.string(), schemaShape).optional()
  },
})
export type Schema = z.infer<typeof schemaShape>

const parameterShape = z.object({
  name: z.string(),
  in: z.enum(['query', 'path', 'header']),
  required: z.boolean().default(false),
  example: z.unknown().optional(),
  schema: schemaShape,
})
export type Parameter = z.infer<typeof parameterShape>

const headerShape = z.object({
  required: z.boolean().default(false),
  schema: z.record(z.string(), z.unknown()),
})
const mediaShape = z.object({ schema: z.record(z.string(), z.unknown()).optional() })
const answerShape = z.object({
  headers: z.record(z.string(), z.unknown()).default({}),
  content: z.record(z.string(), mediaShape).default({}),
})

const documentShape = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.object({
    headers: z.record(z.string(), headerShape),
    responses: z.record(z.string(), answerShape),
  }),
})
const operationShape = z.object({
  operationId: z.string(),
  tags: z.array(z.string()).default([]),
  'x-aliases': z.array(z.string()).default([]),
  parameters: z.array(parameterShape).default([]),
  requestBody: z.object({ content: z.record(z.string(), z.object({ schema: schemaShape })) }).optional(),
  responses: z.record(z.string(), z.union([z.object({ $ref: z.string() }), answerShape])),
})

export interface Answer {
  /** By name in small letters. */
  headers: Record<string, z.infer<typeof headerShape>>
  /** By media type. */
  content: Record<string, z.infer<typeof mediaShape>>
}

export interface Operation {
  id: string
  method: string
  path: string
  tags: string[]
  /** Further paths at which the operation answers. */
  aliases: string[]
  parameters: Parameter[]
  body: Schema | undefined
  /** By status. */
  answers: Record<string, Answer>
}

export interface ApiDocument {
  /** The document as it was read, for the validator: its schemas refer to each other. */
  raw: object
  operations: Operation[]
  /** The answer of an address to a method that is none of its operations. */
  methodNotAllowed: Answer
  /** The answer to a request that never reaches an operation: all errors have one schema. */
  problem: Answer
}

/**
 * Reads an OpenAPI 3.1 document.
 * @throws ZodError or Error when a reference is not to one of its own components
 */
function parseDocument(raw: object): ApiDocument {
  const { paths, components } = documentShape.parse(raw)
  const headerOf = (value: unknown) => {
    const reference = z.object({ $ref: z.string() }).safeParse(value)
    return reference.success ? components.headers[nameOf(reference.data.$ref)] : headerShape.parse(value)
  }
  const answerOf = (answer: z.infer<typeof answerShape>): Answer => ({
    content: answer.content,
    headers: Object.fromEntries(
      Object.entries(answer.headers).flatMap(([name, value]) => {
        const header = headerOf(value)
        return header === undefined ? [] : [[name.toLowerCase(), header]]
      }),
    ),
  })
  const component = (name: string): Answer => {
    const answer = components.responses[name]
    if (answer === undefined) throw new Error(`the document has no response ${name}`)
    return answerOf(answer)
  }
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, value]): Operation => {
      const operation = operationShape.parse(value)
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        tags: operation.tags,
        aliases: operation['x-aliases'],
        parameters: operation.parameters,
        body: operation.requestBody?.content['application/json']?.schema,
        answers: Object.fromEntries(
          Object.entries(operation.responses).map(([status, answer]) => [
            status,
            '$ref' in answer ? component(nameOf(answer.$ref)) : answerOf(answer),
          ]),
        ),
      }
    }),
  )
  return {
    raw,
    operations,
    methodNotAllowed: component('MethodNotAllowed'),
    problem: component('BadRequest'),
  }
}

/** Reads the committed document. `pnpm check:drift` holds it to the document that the API serves. */
export async function readDocument(): Promise<ApiDocument> {
  const text = await readFile(new URL('../../apps/api/openapi.json', import.meta.url), 'utf8')
  return parseDocument(z.record(z.string(), z.unknown()).parse(JSON.parse(text)))
}

function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? ''
}
