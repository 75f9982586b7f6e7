import { finished, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExportChunk } from '@stockpile/db/export'
import type { FastifyReply } from 'fastify'
import type { ExportPlace } from './export-places.js'

interface ChunkSource {
  head: string
  /** The first chunk is read before the answer starts, so that an error of the statement is an answer of its own. */
  first: ExportChunk
  readAfter(last: NonNullable<ExportChunk['last']>): Promise<ExportChunk>
  /** The answer's text of a chunk, in pieces of which each is written at once: see `PIECE_BYTES` of export-lines.ts. */
  write(text: Buffer): Iterable<Buffer | string>
}

/**
 * Streams a head and chunks to the client for as long as it takes them, and leaves the place at the end. One chunk is read
 * while the one before is written, and no further one while the client does not read: http/slow-readers.ts ends that.
 * An error resets the connection, so that nobody takes a part for the whole: to HTTP/1.0 a mere end is the end of the file.
 */
export function streamExport(reply: FastifyReply, place: ExportPlace, source: ChunkSource): FastifyReply {
  place.reset = () => reply.request.raw.socket.resetAndDestroy()
  let reading: Promise<unknown> = Promise.resolve()
  let hasEnded = false
  // `finished` calls back even when the reply closed before: the client may have left while the first chunk was read.
  finished(reply.raw, () => {
    hasEnded = true
    // The last statement of the export may still run on its connection.
    void reading.then(() => place.leave())
  })
  // The handler's deadline does not hold for an export that is being written: its client decides how long it takes.
  reply.raw.once('pipe', () => void reply.hijack())
  const readAfter = (last: ExportChunk['last']): Promise<ExportChunk | undefined> => {
    if (last === null) return Promise.resolve(undefined)
    const next = source.readAfter(last).catch((error: unknown) => {
      if (hasEnded) return undefined
      reply.log.error({ err: error }, 'an export is cut off: it cannot be read on')
      place.reset()
      return undefined
    })
    reading = next
    return next
  }
  async function* texts() {
    if (source.head !== '') yield source.head
    for (let chunk: ExportChunk | undefined = source.first; chunk !== undefined;) {
      const next = readAfter(chunk.last)
      for (const piece of chunk.text === null ? [] : source.write(chunk.text)) {
        // Without this a stream writes to a fast client in one turn of the event loop, in which nothing else happens: not
        // even the next chunk's statement goes out.
        await nextTurn()
        place.stalledSince = performance.now()
        yield piece
        place.stalledSince = undefined
      }
      chunk = await next
      if (hasEnded) return
    }
    // The last piece is written, but the client may not have taken it.
    place.stalledSince = performance.now()
  }
  return reply.send(Readable.from(texts(), { highWaterMark: 1 }))
}
