import { finished, Readable } from 'node:stream'
import type { ExportChunk } from '@stockpile/db/export'
import type { FastifyReply } from 'fastify'
import { ProblemError } from './problem.js'
import type { App } from './server.js'

/** At a time. Each has one statement under way at most, so that of the pool's 10 connections 6 are left for pages. */
const MAX_EXPORTS = 4
/** What is written at once: how far a client is with it cannot be seen, and it has `readMs` for it. */
const PIECE_BYTES = 64 * 1024

export interface Exports {
  /** @throws ProblemError 503 when as many exports as may be are under way */
  enter(): void
  /** To be called once for each `enter` that is not followed by `send`. */
  leave(): void
  /**
   * Streams a head and chunks to a client for as long as it takes them. The next chunk is read while the former is written,
   * and none while the client does not read (see plugins/slow-readers.ts for how long that may last). An error resets
   * the connection, so that what came is not taken for the whole: to HTTP/1.0 a mere end is that of the file.
   */
  send(reply: FastifyReply, chunks: ChunkSource): FastifyReply
}

interface ChunkSource {
  head: string
  /** Read before the answer starts: what is wrong with the statement or the database is an answer of its own. */
  first: ExportChunk
  readAfter(last: NonNullable<ExportChunk['last']>): Promise<ExportChunk>
}

export function createExports(app: App): Exports {
  let underWay = 0
  const replies = new Set<FastifyReply>()
  // They may take minutes: whoever stops the process does not wait for them.
  app.addHook('preClose', async () => {
    for (const reply of replies) reply.raw.socket?.resetAndDestroy()
  })

  const leave = () => {
    underWay -= 1
  }
  return {
    enter() {
      if (underWay >= MAX_EXPORTS) {
        const detail = `${MAX_EXPORTS} exports are under way, and that is the most at a time. Try again in a few seconds, or ask for pages.`
        throw new ProblemError(503, detail, { headers: { 'retry-after': '5' } })
      }
      underWay += 1
    },
    leave,
    send(reply, source) {
      replies.add(reply)
      let reading: Promise<unknown> = Promise.resolve()
      // Not the event: a client that left while the first chunk was read has had it.
      finished(reply.raw, () => {
        replies.delete(reply)
        // Its last statement may still run, and has a connection.
        void reading.then(leave)
      })
      // An export may take longer than a handler: once it is being written, its time is its client's.
      reply.raw.once('pipe', () => void reply.hijack())
      const readAfter = (last: ExportChunk['last']): Promise<ExportChunk | undefined> => {
        if (last === null) return Promise.resolve(undefined)
        const next = source.readAfter(last).catch((error: unknown) => {
          reply.log.error({ err: error }, 'an export is cut off: it cannot be read on')
          reply.raw.socket?.resetAndDestroy()
          return undefined
        })
        reading = next
        return next
      }
      async function* texts() {
        if (source.head !== '') yield Buffer.from(source.head)
        for (let chunk: ExportChunk | undefined = source.first; chunk !== undefined;) {
          const next = readAfter(chunk.last)
          yield* piecesOf(chunk.text)
          chunk = await next
        }
      }
      return reply.send(Readable.from(texts(), { objectMode: false, highWaterMark: 1 }))
    },
  }
}

function* piecesOf(text: Buffer | null): Generator<Buffer> {
  if (text === null) return
  for (let from = 0; from < text.length; from += PIECE_BYTES) yield text.subarray(from, from + PIECE_BYTES)
}
