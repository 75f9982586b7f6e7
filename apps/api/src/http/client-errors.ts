import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import type { RequestsUnderWay } from './deadlines.js'
import { problemBody, ProblemError } from './problem.js'

/** Sockets that wait to be refused until earlier requests are answered; nothing more is answered on them. */
const refused = new WeakSet<Socket>()

/**
 * Answers bytes that Node refuses before there is a request, on the socket itself. Earlier requests of the connection are
 * answered first, or the client would take the refusal for the answer to one of them.
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  underWay: RequestsUnderWay,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  if (refused.has(socket)) return
  const before = underWay.newestOf(socket)
  if (before === undefined) {
    refuse(error, socket)
    return
  }
  refused.add(socket)
  finished(before.raw, () => {
    if (socket.writable) refuse(error, socket)
    else socket.destroy()
  })
}

function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  const problem = toProblem(error.code)
  const id = randomUUID()
  const body = JSON.stringify(problemBody(problem, id))
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${id}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

function toProblem(code: string | undefined): ProblemError {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new ProblemError(431, 'The request line and headers are larger than 16 KiB.')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new ProblemError(408, 'The request did not arrive in time.')
  return new ProblemError(400, 'This is not a valid HTTP request.')
}
