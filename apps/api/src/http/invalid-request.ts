import type { FastifyError } from 'fastify'
import type { ZodFastifySchemaValidationError } from 'fastify-type-provider-zod'
import { ProblemError } from './problem.js'
import type { ProblemDetail } from './problem.js'

/** Bounds the answer to a body of 10,000 bad symbols. */
const MAX_ERRORS = 20

const PARTS: Record<string, string> = {
  querystring: '/query',
  params: '/path',
  body: '/body',
  headers: '/headers',
}

/** @returns a 400 that says what Zod found wrong with a part of the request, without repeating what was sent */
export function invalidRequest(
  error: Omit<FastifyError, 'validation'> & { validation: ZodFastifySchemaValidationError[] },
): ProblemError {
  const part = PARTS[error.validationContext ?? ''] ?? ''
  const errors = error.validation.slice(0, MAX_ERRORS).map((issue): ProblemDetail => ({
    pointer: part + issue.instancePath.replace(/\/$/, ''),
    code: issue.keyword,
    detail: issue.message ?? 'Not valid.',
  }))
  const [first] = errors
  const others = error.validation.length - 1
  const more = others === 0 ? '' : ` (and ${others} more ${others === 1 ? 'error' : 'errors'})`
  return new ProblemError(400, `${first?.pointer ?? part}: ${first?.detail ?? 'Not valid.'}${more}`, {
    errors,
  })
}
