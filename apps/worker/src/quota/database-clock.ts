import { tick } from '@stockpile/time/wait'
import { uptime } from 'node:os'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { noteClockJump, settleLedger } from '@stockpile/db/ledger-clock'
import type { ClockReading } from '@stockpile/db/ledger-clock'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
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
  #evidence = { newestId: 0, afterMs: 0 }

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
    const { ledgerMs, newestId, jumps } = reference.reading
    this.#evidence = { newestId, afterMs: ledgerMs + passedMs - mostMs }
    if (passedMs > mostMs + TOLERANCE_MS) return passedMs - leastMs
    if (passedMs < leastMs - TOLERANCE_MS) {
      // Another worker has reported a jump since. This one's own reference may have been taken between the two, and what it
      // sees be that same jump; to undo it would let windows end too early.
      if (reading.jumps !== jumps && !isBeforeLastJump(reference.reading, reading))
        return this.#take(reading, asked)
      return passedMs - leastMs
    }
    if (asked.toMs - asked.fromMs <= VAGUE_MS || leastMs > LASTING_MS) this.#take(reading, asked)
    return 0
  }

  /** What a jump that was just found is reported with; see `noteClockJump`. */
  get evidence(): { newestId: number; afterMs: number } {
    return this.#evidence
  }

  #take(reading: ClockReading, asked: Span): 0 {
    this.#reference = { ...asked, reading }
    return 0
  }
}

/**
 * Whether a reference was taken before the only jump that was reported since: then what is seen is another one. Taken after
 * a jump forward, it has that in it.
 */
function isBeforeLastJump(reference: ClockReading, { jumps, lastJump }: ClockReading): boolean {
  if (lastJump === null || jumps !== reference.jumps + 1) return false
  return lastJump.ms < 0 || reference.ledgerMs < lastJump.afterMs
}

/** Asks the ledger something, and again, what was answered undone, until its clock is the one that the answer is right by. */
export type ByTheClock = <T extends { clock: ClockReading }>(
  ask: () => Promise<T>,
  undo: (answer: T) => Promise<void>,
) => Promise<T>

/** Often enough that of two jumps, some seconds apart, no worker sleeps through both. */
const LOOK_INTERVAL_MS = 5_000

/** Looks at the clock until `signal` aborts, also while there is nothing to send. */
export async function keepLooking(
  look: () => Promise<void>,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const warn = warnOfErrors(logger, "cannot read the database's clock")
  while (await tick(LOOK_INTERVAL_MS, signal)) {
    try {
      await look()
    } catch (error) {
      const reported = withoutParameters(error)
      warn(reported instanceof Error ? reported : new Error('an unknown value was thrown'))
    }
  }
}

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
      } else if (await noteClockJump(db, { ms: jumpMs, seen: answer.clock.jumps, ...clock.evidence }))
        logger.warn(
          { jumpMs: Math.round(jumpMs) },
          "the database's clock was set: the ledger moves along, and no limit is exceeded",
        )
    }
  }
}
