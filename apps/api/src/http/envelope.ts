import * as z from 'zod'
import { problemSchema } from './problem.js'
import { unknownSymbolsSchema } from './symbols-info.js'
import { listPaginationSchema } from './pagination.js'
import type { paginationSchema } from './pagination.js'
import { PROBLEM_ANSWERS } from './openapi/problem-answers.js'
import type { ProblemStatus } from './openapi/problem-answers.js'

export const infoSchema = z
  .object({
    error: z.literal('').meta({ description: 'Empty unless the request failed.' }),
    synthetic_data: z.literal(true).optional().meta({
      description:
        'There when prices that a simulator made up were stored in this database: no row of it is to be taken for the market’s. Absent otherwise.',
    }),
  })
  .meta({ id: 'Info' })

/** What every success carries beside its data. */
export const INFO = { error: '' } as const

/** @param options.example what OpenAPI shows as `data` */
export function answerOf<Data extends z.ZodType>(options: {
  description: string
  data: Data
  example: z.output<Data>
}) {
  return z
    .object({ data: options.data, info: infoSchema })
    .meta({ description: options.description, examples: [{ data: options.example, info: INFO }] })
}

/** Of a list that can be asked for by symbol. */
export const symbolListInfoSchema = infoSchema.extend({ unknown_symbols: unknownSymbolsSchema })

/** The same for a list; `examples` are the entries of its first page. */
export function pageAnswerOf<Entry extends z.ZodType, Info extends z.ZodType = typeof infoSchema>(options: {
  description: string
  info?: Info
  entry: Entry
  examples: z.output<Entry>[]
  pagination: z.infer<typeof paginationSchema>
}) {
  const info: Info | typeof infoSchema = options.info ?? infoSchema
  return z.object({ data: z.array(options.entry), pagination: listPaginationSchema, info }).meta({
    description: options.description,
    examples: [{ data: options.examples, pagination: options.pagination, info: INFO }],
  })
}

const TAG = 'W/"613047829415-1k9v3qp"'

/** Of an answer that can be asked for again with If-None-Match; for OpenAPI. */
export const CACHE_HEADERS = {
  ETag: {
    description: 'Weak: of this request and the version of the data asked for.',
    required: true,
    schema: { type: 'string' },
    example: TAG,
  },
  'Cache-Control': {
    description: 'Keep it, and ask again with If-None-Match before each use.',
    required: true,
    schema: { type: 'string', const: 'no-cache' },
    example: 'no-cache',
  },
  Vary: {
    description: 'The headers of the request that the answer depends on.',
    required: true,
    schema: { type: 'string' },
    example: 'accept-encoding',
  },
} as const

/** Of a page of a list; for OpenAPI. */
export const LINK_HEADERS = {
  Link: {
    description: 'RFC 8288: `<URL>; rel="next"`, where more entries follow. The URL has a cursor.',
    schema: { type: 'string' },
    example: '</api/failures?cursor=W3siYXQiOjE3NzkwOTU1NjY3MDIwMDAsImlkIjoxfSw0XQ>; rel="next"',
  },
} as const

/** The response schema of 304; it has no body. */
export const unchangedSchema = z.null().meta({
  description: 'If-None-Match names what would be answered, or is *: nothing has changed.',
})

/** Of a request. */
export const revalidationHeaders = z.object({
  'if-none-match': z
    .string()
    .optional()
    .meta({ description: 'The ETag of an earlier answer, several of them, or *.', examples: [TAG] }),
})

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': { schema: typeof problemSchema } }
}

/** The response schemas of a route's own errors; those of any route are added by http/openapi/openapi-answers.ts. */
export function problems(...statuses: ProblemStatus[]): Partial<Record<ProblemStatus, ProblemResponse>> {
  const responses: Partial<Record<ProblemStatus, ProblemResponse>> = {}
  for (const status of statuses) {
    const content = { 'application/problem+json': { schema: problemSchema } }
    responses[status] = { description: PROBLEM_ANSWERS[status].description, content }
  }
  return responses
}
