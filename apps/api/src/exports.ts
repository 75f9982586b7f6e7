import { finished, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExportChunk } from '@stockpile/db/export'
import type { FastifyReply } from 'fastify'
import { ProblemError } from './problem.js'
import type { App } from './server.js'

/** At a time. Each has one statement under way at most, so that of the pool's 8 connections 4 are left for others. */
const MAX_EXPORTS = 4
export interface Exports {
  /** @throws ProblemError 503 when as many exports as may be are under way */
  enter(): void
  /** To be called once for each `enter` that is not followed by `send`. */
  leave(): void
  /**
   * Streams a head and chunks to a client for as long as it takes them. The next chunk is read while the former is written,
   * and none beyond it while the client does not read (see plugins/slow-readers.ts for how long that may last). An error resets
   * the connection, so that what came is not taken for the whole: to HTTP/1.0 a mere end is that of the file.
   */
  send(reply: FastifyReply, chunks: ChunkSource): FastifyReply
}

interface ChunkSource {
  head: string
  /** Read before the answer starts: what is wrong with the statement or the database is an answer of its own. */
  first: ExportChunk
  readAfter(last: NonNullable<ExportChunk['last']>): Promise<ExportChunk>
  /** A chunk's text as it is to be answered, in pieces that are written at once: see `PIECE_BYTES`. */
  write(text: Buffer): Iterable<Buffer | string>
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
      let hasEnded = false
      // Not the event: a client that left while the first chunk was read has had it.
      finished(reply.raw, () => {
        replies.delete(reply)
        hasEnded = true
        // Its last statement may still run, and has a connection.
        void reading.then(leave)
      })
      // An export may take longer than a handler: once it is being written, its time is its client's.
      reply.raw.once('pipe', () => void reply.hijack())
      const readAfter = (last: ExportChunk['last']): Promise<ExportChunk | undefined> => {
        if (last === null) return Promise.resolve(undefined)
        const next = source.readAfter(last).catch((error: unknown) => {
          if (hasEnded) return undefined
          reply.log.error({ err: error }, 'an export is cut off: it cannot be read on')
          reply.raw.socket?.resetAndDestroy()
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
            // To a client that takes all at once a stream writes without an end of its turn: others wait, the next
            // chunk's statement among them.
            await nextTurn()
            yield piece
          }
          chunk = await next
          if (hasEnded) return
        }
      }
      return reply.send(Readable.from(texts(), { highWaterMark: 1 }))
    },
  }
}
