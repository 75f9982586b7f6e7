import { STATUS_CODES } from 'node:http'
import type { SwaggerTransformObject } from '@fastify/swagger'
import type { OpenAPIV3_1 } from 'openapi-types'
import { problemBody } from '../problem.js'
import { OF_ANY_OPERATION, PROBLEM_ANSWERS } from './problem-answers.js'
import type { ProblemStatus } from './problem-answers.js'

type Document = ReturnType<SwaggerTransformObject>
type Operation = OpenAPIV3_1.OperationObject
type Headers = NonNullable<OpenAPIV3_1.ResponseObject['headers']>

declare module 'fastify' {
  interface FastifySchema {
    /** By status: the headers of a route's answers, beside the headers that every answer has. */
    'x-response-headers'?: Record<number, Headers>
    /** Optional parameters that /docs fills in, so that with the required ones they make a request that succeeds. */
    'x-filled-in'?: readonly string[]
    /** Parameters that the route takes and the document leaves out, since it has an operation for each of their values. */
    'x-left-out'?: readonly string[]
    /** Further paths at which the operation answers. The document keeps this extension, for programs that read it. */
    'x-aliases'?: readonly string[]
  }
}

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const
const EXAMPLE_ID = '7b71a705-f5ba-4396-8589-bcf119244c11'

const HEADERS = {
  'X-Request-Id': {
    description: 'The id that the log lines of the request carry.',
    required: true,
    schema: { type: 'string', format: 'uuid' },
    example: EXAMPLE_ID,
  },
  'Retry-After': {
    description: 'When to ask again, in seconds.',
    required: true,
    schema: { type: 'string', pattern: '^\\d+$' },
    example: '5',
  },
  Allow: {
    description: 'The methods that the address takes.',
    required: true,
    schema: { type: 'string' },
    example: 'GET, HEAD',
  },
} satisfies Record<string, OpenAPIV3_1.HeaderObject>

const OF_STATUS: Partial<Record<number, keyof typeof HEADERS>> = {
  405: 'Allow',
  429: 'Retry-After',
  503: 'Retry-After',
}

/**
 * Adds to the document what routes would else repeat: the errors that any request can get, each a component with its
 * example, and the headers of answers.
 */
export function completeDocument(document: Document): Document {
  if (!isOpenapi31(document)) return document
  // The type provider adds each component a second time as an input; all components here are of answers. They are sorted,
  // since their order would else be the order in which modules are imported.
  const schemas = Object.fromEntries(
    Object.entries(document.components?.schemas ?? {})
      .filter(([name]) => !name.endsWith('Input'))
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  )
  for (const path of Object.values(document.paths ?? {})) {
    for (const method of METHODS) {
      const operation = path?.[method]
      if (operation !== undefined) completeOperation(operation)
    }
  }
  const responses = Object.fromEntries(
    Object.entries(PROBLEM_ANSWERS).map(([status, answer]) => [answer.name, problemResponse(status, answer)]),
  )
  return { ...document, components: { ...document.components, schemas, responses, headers: HEADERS } }
}

function completeOperation(
  operation: Operation & {
    'x-response-headers'?: Record<string, Headers>
    'x-filled-in'?: readonly string[]
    'x-left-out'?: readonly string[]
  },
): void {
  const leftOut = operation['x-left-out']
  if (leftOut !== undefined)
    operation.parameters = (operation.parameters ?? []).filter(
      (one) => !('name' in one && leftOut.includes(one.name)),
    )
  delete operation['x-left-out']
  for (const parameter of operation.parameters ?? [])
    if (
      'name' in parameter &&
      parameter.required !== true &&
      operation['x-filled-in']?.includes(parameter.name) !== true
    )
      leaveEmpty(parameter)
  delete operation['x-filled-in']
  const responses = (operation.responses ??= {})
  for (const status of OF_ANY_OPERATION) responses[status] = { $ref: refOf(status) }
  for (const [status, response] of Object.entries(responses)) {
    if (isProblemStatus(status)) responses[status] = { $ref: refOf(status) }
    else if (!('$ref' in response)) {
      response.headers = {
        ...response.headers,
        ...operation['x-response-headers']?.[status],
        ...headersOf(status),
      }
      for (const media of Object.values(response.content ?? {})) raiseExample(media)
    }
  }
  delete operation['x-response-headers']
}

/** Moves an example to the schema, whose examples /docs does not fill in. */
function leaveEmpty(parameter: OpenAPIV3_1.ParameterObject): void {
  const example: unknown = parameter.example
  if (example === undefined) return
  delete parameter.example
  parameter.schema = Object.assign({}, parameter.schema, { examples: [example] })
}

/** Moves an example from a schema to its media type, as @fastify/swagger does where a response has one media type alone. */
function raiseExample(media: OpenAPIV3_1.MediaTypeObject): void {
  if (media.schema === undefined || !('examples' in media.schema)) return
  const { examples, ...schema } = media.schema
  media.example ??= examples?.[0]
  media.schema = schema
}

function problemResponse(
  status: string,
  { description, example }: (typeof PROBLEM_ANSWERS)[ProblemStatus],
): OpenAPIV3_1.ResponseObject {
  return {
    description: `${STATUS_CODES[status]}. ${description}`,
    headers: headersOf(status),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        example: problemBody(example, EXAMPLE_ID),
      },
    },
  }
}

function headersOf(status: string): Headers {
  const own = OF_STATUS[Number(status)]
  const names = own === undefined ? ['X-Request-Id'] : ['X-Request-Id', own]
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))
}

function refOf(status: ProblemStatus | `${ProblemStatus}`): string {
  return `#/components/responses/${PROBLEM_ANSWERS[status].name}`
}

function isProblemStatus(status: string): status is `${ProblemStatus}` {
  return status in PROBLEM_ANSWERS
}

function isOpenapi31(document: Document): document is OpenAPIV3_1.Document {
  return 'openapi' in document
}
