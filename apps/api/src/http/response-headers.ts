import type { FastifyRequest } from 'fastify'

/** The headers of every answer. The log lines of the request carry its id too. */
export function answerHeaders(request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = {
    'x-content-type-options': 'nosniff',
    'x-request-id': request.id,
  }
  // The API upgrades no connection, and Node may lose what follows a request for an upgrade on its connection.
  if (request.headers.upgrade !== undefined) headers['connection'] = 'close'
  return headers
}
