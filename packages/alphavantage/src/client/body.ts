import type { Response } from 'undici'

/**
 * Reads a body up to `limitBytes` DECODED bytes, since a gzip bomb is small on the wire. A larger body is cut there: its
 * connection is dropped, and `complete` is false. Rejects when the connection breaks or is aborted.
 */
export async function readBody(
  response: Response,
  limitBytes: number,
): Promise<{ chunks: Uint8Array[]; complete: boolean }> {
  const chunks: Uint8Array[] = []
  let length = 0
  let complete = true
  if (response.body !== null) {
    const stream: AsyncIterable<Uint8Array> = response.body
    for await (const chunk of stream) {
      const room = limitBytes - length
      chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
      length += chunk.length
      if (length > limitBytes) {
        complete = false
        // Leaving the loop cancels the stream, which drops the connection.
        break
      }
    }
  }
  return { chunks, complete }
}
