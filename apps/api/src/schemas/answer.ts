import * as z from 'zod'
import { problemSchema } from '../problem.js'
import { paginationSchema } from './pagination.js'

const infoSchema = z.object({
  error: z.literal('').meta({ description: 'Empty unless the request failed.' }),
})

/** What every success carries beside its data. */
export const INFO = { error: '' } as const

/** @param options.example what OpenAPI shows as `data` */
export function answerOf<Data extends z.ZodType>(options: {
  description: string
  data: Data
  example: z.output<Data>
  /** Of the answer, for OpenAPI. */
  headers?: Record<string, object>
}) {
  const { description, example, headers } = options
  return z
    .object({ data: options.data, info: infoSchema })
    .meta({ description, examples: [{ data: example, info: INFO }], ...(headers && { headers }) })
}

/** The same for a list; `examples` are the entries of its first page. */
export function pageAnswerOf<Entry extends z.ZodType>(options: {
  description: string
  entry: Entry
  examples: z.output<Entry>[]
  pagination: z.infer<typeof paginationSchema>
}) {
  return z.object({ data: z.array(options.entry), pagination: paginationSchema, info: infoSchema }).meta({
    description: options.description,
    examples: [{ data: options.examples, pagination: options.pagination, info: INFO }],
  })
}

/** Of an answer that can be asked for again with If-None-Match. */
export const CACHE_HEADERS = {
  ETag: {
    type: 'string',
    description: 'Weak: of this request and the version of the data asked for.',
    examples: ['W/"Yk3PzvcS1rZbKxjT"'],
  },
  'Cache-Control': {
    type: 'string',
    const: 'no-cache',
    description: 'Keep it, and ask again with If-None-Match before each use.',
  },
  Vary: {
    type: 'string',
    description: 'The request headers that the answer depends on.',
    examples: ['Accept-Encoding'],
  },
} as const

/** The response schema of 304; it has no body. */
export const unchangedSchema = z.null().meta({
  description: 'What If-None-Match names (or *) is what would be answered: nothing has changed.',
  headers: CACHE_HEADERS,
})

/** Loose: what is not named here would be taken off the request. */
export const revalidationHeaders = z.looseObject({
  'if-none-match': z
    .string()
    .optional()
    .meta({
      description: 'The ETag of an earlier answer, several of them, or *.',
      examples: ['W/"Yk3PzvcS1rZbKxjT"'],
    }),
})

const PROBLEMS = {
  400: 'The request is not valid; errors says where and why.',
  404: 'There is no such thing.',
  406: 'Accept takes none of the formats.',
  409: 'The run has finished, or the first request with this Idempotency-Key is still under way.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body is not plain JSON in UTF-8.',
  422: 'More than 10,000 symbols, or an Idempotency-Key that was used for another request.',
  500: 'A fault of the server, which its log explains under the request id.',
  503: 'The database does not answer, or there is too much to do; Retry-After says when to ask again, in seconds.',
  default: 'Any other error, e.g. 405, 408, 414 or 431.',
} as const
type ProblemStatus = keyof typeof PROBLEMS

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': { schema: typeof problemSchema } }
}

/** The response schemas of a route's errors; 500 and `default` are every route's. */
export function problems(...statuses: ProblemStatus[]): Partial<Record<ProblemStatus, ProblemResponse>> {
  const responses: Partial<Record<ProblemStatus, ProblemResponse>> = {}
  for (const status of [...statuses, 500, 'default'] as const) {
    const content = { 'application/problem+json': { schema: problemSchema } }
    responses[status] = { description: PROBLEMS[status], content }
  }
  return responses
}
