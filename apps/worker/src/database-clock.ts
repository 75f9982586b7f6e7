import { uptime } from 'node:os'
import type { Connection } from '@stockpile/db/connection'
import { noteClockJump, settleLedger } from '@stockpile/db/ledger'
import type { ClockReading } from '@stockpile/db/ledger'
import type { Logger } from 'pino'

/** When something happened, by the machine's time since its start, which no setting of a clock moves, nor a suspension stops. */
interface Span {
  fromMs: number
  toMs: number
}

interface Reference extends Span {
  reading: ClockReading
}

/** Less is how long a question takes, and what uptimes are rounded by. */
const TOLERANCE_MS = 2_000
/** A reading of which it is not known when it was taken is a poor reference. */
const VAGUE_MS = 1_000
/** Longer than this, clocks that run at slightly different speeds differ by more than a vague reading does. */
const LASTING_MS = 10 * 60_000

/** Milliseconds since the machine started. */
function uptimeMs(): number {
  return uptime() * 1_000
}

/**
 * Sees when the database's clock was set: it has then moved by more, or less, than the time that has passed here. All
 * windows of the quota are measured by that clock, so it is watched by every worker that sends.
 */
export class DatabaseClock {
  #reference: Reference | null = null

  /**
   * @param reading of the clock, taken at some moment of `asked`
   * @returns by how much the clock has jumped since the last reading, at least, so that no window is taken for over too
   *   early; 0 when it has not. Milliseconds, negative for back. It is reported until the ledger knows of it.
   */
  judge(reading: ClockReading, asked: Span): number {
    const reference = this.#reference
    if (reference === null) return this.#take(reading, asked)
    const passedMs = reading.ledgerMs - reference.reading.ledgerMs
    const leastMs = asked.fromMs - reference.toMs
    const mostMs = asked.toMs - reference.fromMs
    if (passedMs > mostMs + TOLERANCE_MS) return passedMs - leastMs
    if (passedMs < leastMs - TOLERANCE_MS) {
      // Another worker has reported a jump since. This one's own reference may have been taken between the two, and what it
      // sees be that same jump; to undo it would let windows end too early.
      if (reading.jumps !== reference.reading.jumps) return this.#take(reading, asked)
      return passedMs - leastMs
    }
    if (asked.toMs - asked.fromMs <= VAGUE_MS || leastMs > LASTING_MS) this.#take(reading, asked)
    return 0
  }

  #take(reading: ClockReading, asked: Span): 0 {
    this.#reference = { ...asked, reading }
    return 0
  }
}

/** Asks the ledger something, and again, what was answered undone, until its clock is the one that the answer is right by. */
export type ByTheClock = <T extends { clock: ClockReading }>(
  ask: () => Promise<T>,
  undo: (answer: T) => Promise<void>,
) => Promise<T>

/** Watches the database's clock at every answer of the ledger, and tells the ledger when it was set. */
export function watchDatabaseClock(db: Connection['db'], logger: Logger): ByTheClock {
  const clock = new DatabaseClock()
  return async (ask, undo) => {
    for (;;) {
      const fromMs = uptimeMs()
      const answer = await ask()
      const jumpMs = clock.judge(answer.clock, { fromMs, toMs: uptimeMs() })
      if (jumpMs === 0 && !answer.clock.isBehind) return answer
      await undo(answer)
      if (jumpMs === 0) {
        await settleLedger(db)
        logger.warn('the database holds instants of the future: its clock was ahead; they count as of now')
      } else if (await noteClockJump(db, { ms: jumpMs, seen: answer.clock.jumps }))
        logger.warn(
          { jumpMs: Math.round(jumpMs) },
          "the database's clock was set: the ledger moves along, and no limit is exceeded",
        )
    }
  }
}
