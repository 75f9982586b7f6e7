import type { FastifyRequest } from 'fastify'
import { answerHeaders } from './response-headers.js'
import { ProblemError } from './problem.js'
import type { App } from '../types.js'

const MAX_URL_CHARACTERS = 8 * 1024
/** Apache has the same limit. Node bounds their bytes: client-errors.ts answers for it. */
const MAX_HEADERS = 100

/** Paths whose requests are logged at debug: probes come every few seconds and would bury the other lines. */
const QUIET = new Set(['/healthz', '/readyz'])

/** Gives every answer its headers, refuses requests beyond the limits, and logs one line at the end of each request. */
export function registerRequestChecks(app: App): void {
  // The hooks call back, since a promise would cost every request a turn of the event loop.
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(answerHeaders(request))
    done(problemOf(request))
  })
  // RFC 9110 lets a server ignore an Expect that it does not know; Node's own answer is an empty 417.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('onResponse', (request, reply, done) => {
    const line = {
      method: request.method,
      path: pathOf(request),
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
    }
    if (QUIET.has(line.path)) request.log.debug(line, 'request')
    else request.log.info(line, 'request')
    done()
  })
}

/** The path without the query, whose text is the client's and does not belong into a log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}

/** What is wrong with a request, whichever route it is for. */
function problemOf(request: FastifyRequest): ProblemError | undefined {
  if (request.raw.url !== undefined && request.raw.url.length > MAX_URL_CHARACTERS) {
    return new ProblemError(414, 'The URL is longer than 8 KiB.')
  }
  // rawHeaders holds names and values in turn.
  if (request.raw.rawHeaders.length > 2 * MAX_HEADERS)
    return new ProblemError(431, `The request has more than ${MAX_HEADERS} header lines.`, {
      headers: { connection: 'close' },
    })
  return problemOfHost(request) ?? problemOfEncoding(request)
}

/** RFC 9112: a request of HTTP/1.1 without a Host, or with two, is 400. Node takes the first of two. */
function problemOfHost({ raw }: FastifyRequest): ProblemError | undefined {
  let hosts = 0
  // rawHeaders holds names and values in turn.
  for (let at = 0; at < raw.rawHeaders.length; at += 2)
    if (raw.rawHeaders[at]?.toLowerCase() === 'host') hosts += 1
  if (hosts === 1 || (hosts === 0 && raw.httpVersion === '1.0')) return undefined
  return new ProblemError(400, 'The request must name its host once, in the header Host.')
}

/** Refuses a compressed body, or a body of another charset, which Fastify would read as if it were plain UTF-8. */
function problemOfEncoding(request: FastifyRequest): ProblemError | undefined {
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new ProblemError(415, 'The body must be sent without a Content-Encoding.', {
      headers: { 'accept-encoding': 'identity' },
    })
  }
  const type = request.headers['content-type']
  const charset = type && /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type)?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    return new ProblemError(415, 'The body must be sent as UTF-8.')
  }
  return undefined
}
