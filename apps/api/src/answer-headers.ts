import type { FastifyRequest } from 'fastify'

/** On every answer. The id is the one that the log lines of the request carry. */
export function answerHeaders(request: FastifyRequest): Record<string, string> {
  return { 'x-content-type-options': 'nosniff', 'x-request-id': request.id }
}
