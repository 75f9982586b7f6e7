import { isUnavailable } from '@stockpile/db/connection'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { problemBody, ProblemError, unavailable } from './problem.js'
import { answerHeaders } from './response-headers.js'
import { invalidRequest } from './invalid-request.js'

/** Fastify's own errors in this API's words, since Fastify's messages repeat what the client sent. */
const FRAMEWORK_ERRORS: Record<string, [status: number, detail: string]> = {
  FST_ERR_BAD_URL: [400, 'The URL is not encoded correctly.'],
  FST_ERR_MAX_PARAM_LENGTH: [414, 'A part of the path is too long.'],
  FST_ERR_CTP_BODY_TOO_LARGE: [413, 'The body is larger than 1 MiB.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [415, 'The body must be sent as application/json.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [400, 'The body has not the length that Content-Length says.'],
  FST_ERR_CTP_EMPTY_JSON_BODY: [400, 'The body is empty; it must be a JSON object.'],
  FST_ERR_CTP_INVALID_JSON_BODY: [400, 'The body is not valid JSON.'],
}

/** Answers and logs every error of a route, a hook or the framework; no other code does. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = toProblem(error)
  if (problem.status >= 500) logFault(problem, error, request)
  // The body is sent as text, since the serializer of the route is for its success.
  reply
    .code(problem.status)
    .headers({ ...problem.headers, ...answerHeaders(request) })
    .type('application/problem+json')
    .send(JSON.stringify(problemBody(problem, request.id)))
}

function logFault(problem: ProblemError, error: unknown, { log }: FastifyRequest): void {
  const reason = error instanceof ProblemError ? error.cause : error
  const fields = reason === undefined ? {} : { err: reason }
  if (problem.status === 503) log.warn(fields, problem.message)
  else log.error(fields, 'a request failed')
}

function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error)
  if (isFrameworkError(error)) {
    const [status, detail] = FRAMEWORK_ERRORS[error.code] ?? [error.statusCode, 'The request is not valid.']
    // This comes before isUnavailable: the error of a client that left has the code of a lost connection.
    if (status !== undefined && status >= 400 && status < 500) return new ProblemError(status, detail)
  }
  if (isUnavailable(error)) return unavailable('The database', error)
  return new ProblemError(500, 'Something went wrong here. The log has the reason under the request id.')
}

function isFrameworkError(error: unknown): error is FastifyError {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
}
