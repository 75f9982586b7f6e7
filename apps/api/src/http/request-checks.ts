import type { FastifyRequest } from 'fastify'
import { answerHeaders } from './response-headers.js'
import { ProblemError } from './problem.js'
import type { App } from '../types.js'

const MAX_URL_CHARACTERS = 8 * 1024
/** As in Apache. Their bytes are bounded by Node: see client-errors.ts. */
const MAX_HEADERS = 100

/** Probes come every few seconds: their lines would bury the others. */
const QUIET = new Set(['/healthz', '/readyz'])

/** What holds for every request: headers, limits, and one log line at its end. */
export function registerRequests(app: App): void {
  // Hooks that call back: each promise would cost every request a turn.
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(answerHeaders(request))
    done(problemOf(request))
  })
  // RFC 9110 lets a server pass over an Expect that it does not know; Node's own answer is an empty 417.
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

/** Without the query, which is the client's and no text for a log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? ''
}

/** What is wrong with a request, whatever it asks for. */
function problemOf(request: FastifyRequest): ProblemError | undefined {
  if (request.raw.url !== undefined && request.raw.url.length > MAX_URL_CHARACTERS) {
    return new ProblemError(414, 'The URL is longer than 8 KiB.')
  }
  // Names and values in turn.
  if (request.raw.rawHeaders.length > 2 * MAX_HEADERS)
    return new ProblemError(431, `The request has more than ${MAX_HEADERS} header lines.`, {
      headers: { connection: 'close' },
    })
  return problemOfHost(request) ?? problemOfEncoding(request)
}

/** RFC 9112: a request of HTTP/1.1 without its host, or with two, is 400. Node takes the first of two. */
function problemOfHost({ raw }: FastifyRequest): ProblemError | undefined {
  let hosts = 0
  // Names and values in turn.
  for (let at = 0; at < raw.rawHeaders.length; at += 2)
    if (raw.rawHeaders[at]?.toLowerCase() === 'host') hosts += 1
  if (hosts === 1 || (hosts === 0 && raw.httpVersion === '1.0')) return undefined
  return new ProblemError(400, 'The request must name its host once, in the header Host.')
}

/** Fastify itself would read a compressed body, or one of another charset, as if it were plain UTF-8. */
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
