import { finished, Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ExportChunk } from '@stockpile/db/export'
import type { FastifyReply } from 'fastify'
import { ProblemError } from '../http/problem.js'
import { DEFAULT_TIMEOUTS } from '../http/timeouts.js'
import type { App } from '../types.js'

/** At a time. Each has one statement under way at most, so that of the pool's 8 connections 4 are left for others. */
const MAX_EXPORTS = 4
/** Of them: nobody's address has all the places. */
const MAX_OF_A_CLIENT = 2

/** One of the places. To be left once, unless `send` was given it; all else of it is for `createExports`. */
interface ExportPlace {
  leave(): void
  client: string
  /** Since when a piece of it waits for the client to take the one before, by performance.now(); undefined: none does. */
  stalledSince: number | undefined
  /** Ends its connection. */
  reset(): void
  left: Promise<void>
}

export interface Exports {
  /**
   * Takes a place for a client. Where there is none, the export whose client has taken nothing for the longest time, `stallMs`
   * or more, is reset, and its place is taken: who has a share of his own loses one of his own.
   * @param client whose share it is: see client-address.ts
   * @throws ProblemError 429 when as many of the client's as may be are under way and read, 503 when as many of all are
   */
  enter(client: string): Promise<ExportPlace>
  /**
   * Streams a head and chunks to a client for as long as it takes them. The next chunk is read while the former is written,
   * and none beyond it while the client does not read (see http/slow-readers.ts for how long that may last). An error resets
   * the connection, so that what came is not taken for the whole: to HTTP/1.0 a mere end is that of the file.
   */
  send(reply: FastifyReply, place: ExportPlace, chunks: ChunkSource): FastifyReply
}

interface ChunkSource {
  head: string
  /** Read before the answer starts: what is wrong with the statement or the database is an answer of its own. */
  first: ExportChunk
  readAfter(last: NonNullable<ExportChunk['last']>): Promise<ExportChunk>
  /** A chunk's text as it is to be answered, in pieces that are written at once: see `PIECE_BYTES`. */
  write(text: Buffer): Iterable<Buffer | string>
}

export function createExports(
  app: App,
  { stallMs = DEFAULT_TIMEOUTS.stallMs }: { stallMs?: number | undefined } = {},
): Exports {
  const underWay = new Set<ExportPlace>()
  // They may take minutes: whoever stops the process does not wait for them.
  app.addHook('preClose', async () => {
    for (const one of underWay) one.reset()
  })

  /** Those among whom the next one's place has to be found; undefined while there is room. */
  const inTheWayOf = (client: string): { of: ExportPlace[]; refusal: ProblemError } | undefined => {
    const own = [...underWay].filter((one) => one.client === client)
    if (own.length >= MAX_OF_A_CLIENT) return { of: own, refusal: shareIsTaken() }
    if (underWay.size >= MAX_EXPORTS) return { of: [...underWay], refusal: allAreTaken() }
    return undefined
  }

  const take = (client: string): ExportPlace => {
    const place: ExportPlace = {
      client,
      stalledSince: undefined,
      reset: () => {},
      leave: () => {},
      left: Promise.resolve(),
    }
    place.left = new Promise((resolve) => {
      place.leave = () => {
        underWay.delete(place)
        resolve()
      }
    })
    underWay.add(place)
    return place
  }

  return {
    async enter(client) {
      for (;;) {
        const full = inTheWayOf(client)
        if (full === undefined) return take(client)
        const stalled = longestStalled(full.of, stallMs)
        if (stalled === undefined) throw full.refusal
        stalled.reset()
        // When its last statement has ended.
        await stalled.left
      }
    },
    send(reply, place, source) {
      place.reset = () => reply.request.raw.socket.resetAndDestroy()
      let reading: Promise<unknown> = Promise.resolve()
      let hasEnded = false
      // Not the event: a client that left while the first chunk was read has had it.
      finished(reply.raw, () => {
        hasEnded = true
        // Its last statement may still run, and has a connection.
        void reading.then(() => place.leave())
      })
      // An export may take longer than a handler: once it is being written, its time is its client's.
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
            // To a client that takes all at once a stream writes without an end of its turn: others wait, the next
            // chunk's statement among them.
            await nextTurn()
            place.stalledSince = performance.now()
            yield piece
            place.stalledSince = undefined
          }
          chunk = await next
          if (hasEnded) return
        }
        // What is written but not taken.
        place.stalledSince = performance.now()
      }
      return reply.send(Readable.from(texts(), { highWaterMark: 1 }))
    },
  }
}

/** Since `stallMs` or longer; undefined: each of them is read. */
function longestStalled(exports: readonly ExportPlace[], stallMs: number): ExportPlace | undefined {
  const since = (one: ExportPlace) => one.stalledSince ?? Infinity
  const [longest] = exports.toSorted((one, other) => since(one) - since(other))
  return longest !== undefined && performance.now() - since(longest) >= stallMs ? longest : undefined
}

const AGAIN = { headers: { 'retry-after': '5' } }

function shareIsTaken(): ProblemError {
  const detail = `${MAX_OF_A_CLIENT} exports of your address are under way, and that is the most at a time. Try again when one has ended, or ask for pages.`
  return new ProblemError(429, detail, AGAIN)
}

function allAreTaken(): ProblemError {
  const detail = `${MAX_EXPORTS} exports are under way, and that is the most at a time. Try again in a few seconds, or ask for pages.`
  return new ProblemError(503, detail, AGAIN)
}
