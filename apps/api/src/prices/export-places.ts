import { DEFAULT_TIMEOUTS } from '../http/timeouts.js'
import { ProblemError } from '../http/problem.js'
import type { App } from '../types.js'

/** Each export has one statement under way at most, so that 4 of the pool's 8 connections are left for other requests. */
const MAX_EXPORTS = 4
/** No client's address has all the places. */
const MAX_OF_A_CLIENT = 2

/** One of the places for exports. Its owner leaves it once, or gives it to `streamExport`, which then does. */
export interface ExportPlace {
  client: string
  leave(): void
  /** Resolves when the place is left. */
  left: Promise<void>
  /** Since when a piece waits for the client to take the one before, by performance.now(); undefined: no piece waits. */
  stalledSince: number | undefined
  /** Ends the connection of the export. */
  reset(): void
}

export interface ExportPlaces {
  /**
   * Takes a place for a client. Where none is free, the export whose client has taken nothing for the longest time, at least
   * `stallMs`, is reset and loses its place; a client that has its share already loses one of its own exports.
   * @param client the address whose share counts: see clientAddressOf
   * @throws ProblemError when each export that is in the way is being read: 429 for the client's own, 503 for those of all
   */
  enter(client: string): Promise<ExportPlace>
}

export function createExportPlaces(
  app: App,
  { stallMs = DEFAULT_TIMEOUTS.stallMs }: { stallMs?: number | undefined } = {},
): ExportPlaces {
  const taken = new Set<ExportPlace>()
  // Exports may take minutes: an app that closes does not wait for them.
  app.addHook('preClose', async () => {
    for (const one of taken) one.reset()
  })

  /** The exports of which one has to end before the client gets a place; undefined while there is room. */
  const inTheWayOf = (client: string): { exports: ExportPlace[]; problem: ProblemError } | undefined => {
    const own = [...taken].filter((one) => one.client === client)
    if (own.length >= MAX_OF_A_CLIENT) return { exports: own, problem: shareIsTaken() }
    if (taken.size >= MAX_EXPORTS) return { exports: [...taken], problem: allAreTaken() }
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
        taken.delete(place)
        resolve()
      }
    })
    taken.add(place)
    return place
  }

  return {
    async enter(client) {
      for (;;) {
        const full = inTheWayOf(client)
        if (full === undefined) return take(client)
        const stalled = longestStalled(full.exports, stallMs)
        if (stalled === undefined) throw full.problem
        stalled.reset()
        // The place is free once the last statement of its export has ended.
        await stalled.left
      }
    },
  }
}

/** @returns the export that has stalled for the longest time, at least `stallMs`; undefined when each is being read */
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
