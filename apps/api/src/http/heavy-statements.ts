import { availableParallelism } from 'node:os'
import type { Pool } from '@stockpile/db/connection'
import type { FastifyRequest } from 'fastify'
import { clientAddressOf } from './client-address.js'
import { ProblemError } from './problem.js'
import { createTurns, NoTurnError } from './turns.js'

/** Each has a connection of its own, and takes a core. */
export const HEAVY_AT_ONCE = Math.min(2, availableParallelism())
/** Where the database is on this machine, what takes a core for long leaves one for pages. */
const TURNS_OF_LONG = availableParallelism() > HEAVY_AT_ONCE ? 1 : HEAVY_AT_ONCE
/** With the statement timeout less than a handler may take. */
const WAIT_MS = 4_500
const WAITING = 32
const WAITING_OF_A_CLIENT = 8
/** More days than the longest history that a provider has: with it a symbol's rows are bounded whatever the range. */
const DAYS_OF_A_SYMBOL = 10_000
/** What is read within some 10 ms: one symbol's whole history, or a hundred days of a hundred symbols. */
const LIGHT_DAYS = 10_000
/** What statistics read within some 30 ms. */
const SHORT_DAYS = 100_000

/** What statistics add up: days of the calendar from the first to the last, of so many symbols. */
interface Range {
  symbols: number
  startDate: string | undefined
  endDate: string | undefined
}

export interface HeavyStatements {
  /**
   * Does work that may take a second, on connections that nothing else uses, a few at once, after those that wait.
   * @param range that statistics add up; without one it may take long
   * @throws ProblemError 429 when too much of the client's waits already, 503 when too much of all does or the wait was too long
   */
  run<T>(request: FastifyRequest, work: (db: Pool) => Promise<T>, range?: Range): Promise<T>
}

export function createHeavyStatements(db: Pool): HeavyStatements {
  const turns = createTurns({
    atOnce: HEAVY_AT_ONCE,
    waiting: WAITING,
    waitingOfAClient: WAITING_OF_A_CLIENT,
    waitMs: WAIT_MS,
  })
  return {
    run: (request, work, range) => {
      const answered = async () => {
        // It would be answered to nobody.
        if (request.raw.socket.destroyed) throw tooMuch(503)
        return work(db)
      }
      const isShort = range !== undefined && daysOf(range) <= SHORT_DAYS
      return turns
        .run(clientAddressOf(request), answered, isShort ? 1 : TURNS_OF_LONG)
        .catch((error: unknown) => {
          throw error instanceof NoTurnError ? tooMuch(error.reason === 'client' ? 429 : 503) : error
        })
    },
  }
}

/**
 * Whether the rows of some symbols in a range are so many that to add them up holds others up. Known without a question to
 * the database: days of the calendar are counted, at most some 27 years of each symbol.
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
