import type { ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type Reply, send, writeHead } from './reply.js'

const BLOCK_BYTES = 1024 * 1024

/** Sends a reply after `ms`, or at once for 0; not at all when the connection is gone by then. */
export function sendAfter(response: ServerResponse, reply: Reply, ms: number): void {
  if (ms <= 0) return send(response, reply)
  const timer = setTimeout(() => send(response, reply), ms)
  response.once('close', () => clearTimeout(timer))
}

/** Sends the head of a reply, and then `bytes` of its body every `everyMs`. */
export function drip(response: ServerResponse, reply: Reply, bytes: number, everyMs: number): void {
  writeHead(response, reply)
  response.flushHeaders()
  let sent = 0
  const timer = setInterval(() => {
    response.write(reply.body.subarray(sent, sent + bytes))
    sent += bytes
    if (sent < reply.body.length) return
    clearInterval(timer)
    response.end()
  }, everyMs)
  response.once('close', () => clearInterval(timer))
}

/** Sends the head with the length of the whole body, then `bytes` of the body, and destroys the connection. */
export function cut(response: ServerResponse, reply: Reply, bytes = Math.floor(reply.body.length / 2)): void {
  writeHead(response, reply)
  response.flushHeaders()
  response.write(reply.body.subarray(0, bytes), () => response.destroy())
}

/** Resets the connection (RST), so that the client's read fails with ECONNRESET instead of an end of file. */
export function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

function* repeated(total: number, encode: (block: Buffer) => Buffer): Generator<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES, ' ')
  const encoded = encode(block)
  for (let left = total; left > 0; left -= BLOCK_BYTES) {
    yield left >= BLOCK_BYTES ? encoded : encode(block.subarray(0, left))
  }
}

function sendStream(response: ServerResponse, headers: Record<string, string>, body: Iterable<Buffer>): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  // These bodies are made for clients that give up: the error of a closed connection is expected.
  pipeline(Readable.from(body), response, () => undefined)
}

/**
 * Sends a body of about a thousandth of `bytes` that inflates to `bytes` spaces. One compressed block is sent again and again,
 * as gzip members one behind the other (RFC 1952, 2.2), so that a gigabyte takes the simulator little CPU.
 */
export function gzipBomb(response: ServerResponse, bytes: number): void {
  const members = repeated(bytes, (block) => gzipSync(block))
  sendStream(response, { 'content-encoding': 'gzip' }, members)
}

/** Sends `bytes` of spaces, without a content-length that would announce them. */
export function hugeBody(response: ServerResponse, bytes: number): void {
  sendStream(
    response,
    {},
    repeated(bytes, (block) => block),
  )
}
