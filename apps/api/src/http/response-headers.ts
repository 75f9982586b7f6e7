import type { FastifyRequest } from 'fastify'

/** On every answer. The id is the one that the log lines of the request carry. */
export function answerHeaders(request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'x-request-id': request.id,
  }
  // Nothing is upgraded here, and Node may lose what follows such a request on its connection.
  if (request.headers.upgrade !== undefined) headers['connection'] = 'close'
  return headers
}
