import { availableParallelism } from 'node:os'
import type { Pool } from '@stockpile/db/connection'
import type { FastifyRequest } from 'fastify'
import { clientAddressOf } from './client-address.js'
import { createFairQueue, NotAdmittedError } from './fair-queue.js'
import { ProblemError } from './problem.js'

/** Each heavy statement has a connection of its own, and takes a core of PostgreSQL's machine. */
export const HEAVY_AT_ONCE = Math.min(2, availableParallelism())
/** A long statement leaves a core for pages: PostgreSQL may be on this machine. */
const TURNS_OF_LONG = availableParallelism() > HEAVY_AT_ONCE ? 1 : HEAVY_AT_ONCE
/** This wait and the statement timeout together are less than the time that a handler may take. */
const WAIT_MS = 4_500
const WAITING = 32
const WAITING_OF_A_CLIENT = 8
/** More days than the longest history that a provider has, so that a symbol's rows are bounded whatever the range. */
const DAYS_OF_A_SYMBOL = 10_000
/** PostgreSQL reads this many within some 10 ms: one symbol's whole history, or a hundred days of a hundred symbols. */
const LIGHT_DAYS = 10_000
/** Statistics read this many within some 30 ms. */
const SHORT_DAYS = 100_000

/** What statistics add up: of some symbols the calendar days from the first to the last, both ISO dates. */
interface Range {
  symbols: number
  startDate: string | undefined
  endDate: string | undefined
}

export interface HeavyStatements {
  /**
   * Runs work that may take a second, on connections that nothing else uses, in a fair queue of client addresses.
   * @param range that statistics add up; work without a range counts as long
   * @throws ProblemError 429 when too much work of the client waits already; 503 when too much of all clients does, when
   *   the wait was too long, or when the client left meanwhile
   */
  run<T>(request: FastifyRequest, work: (db: Pool) => Promise<T>, range?: Range): Promise<T>
}

export function createHeavyStatements(db: Pool): HeavyStatements {
  const queue = createFairQueue({
    atOnce: HEAVY_AT_ONCE,
    waiting: WAITING,
    waitingOfAClient: WAITING_OF_A_CLIENT,
    waitMs: WAIT_MS,
  })
  return {
    run: (request, work, range) => {
      const runUnlessClientLeft = async () => {
        // The client left while its work waited: nobody would read the answer.
        if (request.raw.socket.destroyed) throw tooMuch(503)
        return work(db)
      }
      const isShort = range !== undefined && daysOf(range) <= SHORT_DAYS
      return queue
        .run(clientAddressOf(request), runUnlessClientLeft, isShort ? 1 : TURNS_OF_LONG)
        .catch((error: unknown) => {
          throw error instanceof NotAdmittedError ? tooMuch(error.reason === 'client' ? 429 : 503) : error
        })
    },
  }
}

/**
 * Whether adding up the rows of a range takes so long that the work has to wait in the queue of heavy statements. Calendar
 * days are counted, at most some 27 years of each symbol, so that no question to the database is needed.
 */
export function isHeavy(range: Range): boolean {
  return daysOf(range) > LIGHT_DAYS
}

function daysOf({ symbols, startDate, endDate }: Range): number {
  const days =
    startDate === undefined || endDate === undefined
      ? DAYS_OF_A_SYMBOL
      : (Date.parse(endDate) - Date.parse(startDate)) / 86_400_000 + 1
  return symbols * Math.min(days, DAYS_OF_A_SYMBOL)
}

function tooMuch(status: 429 | 503): ProblemError {
  const whose = status === 429 ? 'of your address ' : ''
  const detail = `As many large questions ${whose}as may be are waiting for their turn. Try again in a few seconds, or ask for fewer symbols or a shorter range.`
  return new ProblemError(status, detail, { headers: { 'retry-after': '5' } })
}
