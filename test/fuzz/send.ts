import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { FuzzRequest } from './fuzz-request.js'

export interface FuzzAnswer {
  /** 0: the connection was closed without an answer. */
  status: number
  /** By name in small letters. */
  headers: Record<string, string>
  body: string
}

/** An answer takes milliseconds; the server's own limit for one is 15 s. */
const DEADLINE_MS = 20_000

/**
 * Sends requests over kept connections, and each malformed one over its own. `send` rejects when no answer comes in time.
 */
export function createSender(baseUrl: string, connections: number) {
  const { hostname, port } = new URL(baseUrl)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })

  function ordinary({ method, target, headers, body }: FuzzRequest): Promise<FuzzAnswer> {
    return new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : Buffer.from(body, 'latin1')
      const length = bytes === undefined ? {} : { 'content-length': String(bytes.length) }
      const options = { hostname, port, agent, method, path: target, headers: { ...headers, ...length } }
      const sent = httpRequest({ ...options, signal: AbortSignal.timeout(DEADLINE_MS) }, (response) => {
        buffer(response).then((read) => {
          const all = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const)
          resolve({
            status: response.statusCode ?? 0,
            headers: Object.fromEntries(all),
            body: read.toString(),
          })
        }, reject)
      })
      sent.on('error', reject)
      sent.end(bytes)
    })
  }

  /** Ends the connection after the first answer, since the server may keep it open. */
  async function malformed({ body = '' }: FuzzRequest): Promise<FuzzAnswer> {
    const socket = connect(Number(port), hostname)
    const late = setTimeout(() => socket.destroy(new Error('no answer in time')), DEADLINE_MS)
    // One character a byte, since the sizes of chunks count bytes.
    let text = ''
    try {
      socket.write(Buffer.from(body, 'latin1'))
      for await (const chunk of socket.setEncoding('latin1')) {
        text += String(chunk)
        if (isWhole(parseAnswer(text))) break
      }
    } catch (error) {
      // The server may close the connection while bytes are on their way.
      if (!(error instanceof Error && 'code' in error && error.code === 'ECONNRESET')) throw error
    } finally {
      clearTimeout(late)
      socket.destroy()
    }
    return parseAnswer(text)
  }

  return {
    send: (request: FuzzRequest) => (request.kind === 'malformed' ? malformed(request) : ordinary(request)),
    close: () => agent.destroy(),
  }
}

/**
 * Parses the first answer on a connection, as far as it came.
 * @param text the bytes of the answer, one character a byte
 */
export function parseAnswer(text: string): FuzzAnswer {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return { status: 0, headers: {}, body: '' }
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
    }),
  )
  const body = text.slice(end + 4)
  return {
    status: Number(statusLine.split(' ')[1] ?? 0),
    headers,
    body: utf8(headers['transfer-encoding'] === 'chunked' ? withoutChunks(body) : body),
  }
}

/** Joins the chunks of a body that is sent as they come (RFC 9112, 7.1). */
function withoutChunks(body: string): string {
  let joined = ''
  let rest = body
  for (;;) {
    const line = rest.indexOf('\r\n')
    const bytes = line === -1 ? 0 : Number.parseInt(rest.slice(0, line), 16)
    // The last chunk is empty; a body that broke off has none.
    if (!(bytes > 0)) return joined
    joined += rest.slice(line + 2, line + 2 + bytes)
    rest = rest.slice(line + 2 + bytes + 2)
  }
}

function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString()
}

function isWhole({ status, headers, body }: FuzzAnswer): boolean {
  const length = headers['content-length']
  return status !== 0 && length !== undefined && Buffer.byteLength(body) >= Number(length)
}
