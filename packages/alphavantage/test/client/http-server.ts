import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { AlphaVantageError } from '../../src/refusals/refusal.js'

/** Starts a real HTTP server for the length of one test, and lists the requests that come to it. */
export async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: URL[] = []
  const server = createServer((request, response) => {
    requests.push(new URL(request.url ?? '', 'http://provider'))
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return { baseUrl: `http://127.0.0.1:${address.port}`, requests }
}

/** Starts a server that gives every request the same body. */
export async function serveBody(body: string, status = 200, headers: Record<string, string> = {}) {
  return await serve((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
  })
}

/**
 * Gives the AlphaVantageError with which a request fails.
 * @throws Error when the request succeeds, or fails otherwise
 */
export async function failureOf(request: Promise<unknown>): Promise<AlphaVantageError> {
  const outcome: unknown = await request.catch((error: unknown) => error)
  if (!(outcome instanceof AlphaVantageError)) throw new Error('no AlphaVantageError', { cause: outcome })
  return outcome
}
