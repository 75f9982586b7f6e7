import type { Response } from 'undici'

/**
 * Reads a body up to `limitBytes` DECODED bytes, which is what a gzip bomb is made of. Beyond them it stops, drops the
 * connection, and says `complete: false` with what came until then. Rejects when the connection breaks or is aborted.
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
        // Leaving the loop cancels the stream.
        break
      }
    }
  }
  return { chunks, complete }
}
