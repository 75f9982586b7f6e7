import * as z from 'zod'
import { INFO, infoSchema } from './info.js'
import { listPaginationSchema } from './pagination.js'
import type { paginationSchema } from './pagination.js'
import { problemSchema } from './problem.js'
import { PROBLEM_ANSWERS } from './openapi/problem-answers.js'
import type { ProblemStatus } from './openapi/problem-answers.js'

/**
 * The response schema of a success: `data` and `info`.
 * @param options.example what OpenAPI shows as `data`
 */
export function answerOf<Data extends z.ZodType>(options: {
  description: string
  data: Data
  example: z.output<Data>
}) {
  return z
    .object({ data: options.data, info: infoSchema })
    .meta({ description: options.description, examples: [{ data: options.example, info: INFO }] })
}

/**
 * The response schema of a page of a list: `data`, `pagination` and `info`.
 * @param options.examples the entries of the first page, as OpenAPI shows them
 */
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

interface ProblemResponse {
  description: string
  content: { 'application/problem+json': { schema: typeof problemSchema } }
}

/**
 * The response schemas of a route's own errors. http/openapi/openapi-answers.ts adds the errors that any route can answer.
 */
export function problems(...statuses: ProblemStatus[]): Partial<Record<ProblemStatus, ProblemResponse>> {
  const responses: Partial<Record<ProblemStatus, ProblemResponse>> = {}
  for (const status of statuses) {
    const content = { 'application/problem+json': { schema: problemSchema } }
    responses[status] = { description: PROBLEM_ANSWERS[status].description, content }
  }
  return responses
}
