import type { FastifyRequest } from 'fastify'

/** On every answer. The id is the one that the log lines of the request carry. */
export function answerHeaders(request: FastifyRequest): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    'x-request-id': request.id,
    // Nothing is upgraded here, and Node may lose what follows such a request on its connection.
    ...(request.headers.upgrade === undefined ? {} : { connection: 'close' }),
  }
}
