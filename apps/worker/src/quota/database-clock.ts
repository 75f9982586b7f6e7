import { tick } from '@stockpile/time/wait'
import { uptime } from 'node:os'
import { withoutParameters } from '@stockpile/db/connection'
import type { Connection } from '@stockpile/db/connection'
import { noteClockJump, settleLedger } from '@stockpile/db/ledger-clock'
import type { ClockReading } from '@stockpile/db/ledger-clock'
import { warnOfErrors } from '@stockpile/log/repeated-errors'
import type { Logger } from 'pino'

/**
 * The span in which something happened, in milliseconds since the machine started. That time jumps with no clock, and runs on
 * while the machine is suspended.
 */
interface Span {
  fromMs: number
  toMs: number
}

interface Reference extends Span {
  reading: ClockReading
}

/** A smaller difference is explained by the duration of a question and by the rounding of uptimes. */
const TOLERANCE_MS = 2_000
/** A question that takes longer leaves unknown when its reading was taken, which makes a poor reference. */
const VAGUE_MS = 1_000
/** After so long, two clocks of slightly different speed differ by more than a vague reading does. */
const LASTING_MS = 10 * 60_000

/** Milliseconds since the machine started; they run on while it is suspended. */
function uptimeMs(): number {
  return uptime() * 1_000
}

/**
 * Finds out that somebody set the database's clock: the clock has then moved by more or less than the time that has passed
 * on this machine. All windows of the quota are measured by that clock, so every worker that sends watches it.
 */
export class DatabaseClock {
  #reference: Reference | null = null
  #evidence = { newestId: 0, afterMs: 0 }

  /**
   * @param reading of the clock, taken at some moment of `asked`
   * @returns the least by which the clock has jumped since the last reading, in milliseconds, negative for a jump back, so
   *   that no window ends too early; 0 without a jump. A jump is returned until the ledger knows of it.
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
      // Another worker has reported a jump since. When this worker's reference was taken after that jump began, this is the
      // same jump, and undoing it would let windows end too early.
      if (reading.jumps !== jumps && !isBeforeLastJump(reference.reading, reading))
        return this.#take(reading, asked)
      return passedMs - leastMs
    }
    if (asked.toMs - asked.fromMs <= VAGUE_MS || leastMs > LASTING_MS) this.#take(reading, asked)
    return 0
  }

  /** The facts that `noteClockJump` needs about the jump that was just found. */
  get evidence(): { newestId: number; afterMs: number } {
    return this.#evidence
  }

  #take(reading: ClockReading, asked: Span): 0 {
    this.#reference = { ...asked, reading }
    return 0
  }
}

/**
 * Whether a reference was taken before the only jump that was reported since, so that the jump back that is seen now is a
 * further one. A reference that was taken after a jump forward includes that jump.
 */
function isBeforeLastJump(reference: ClockReading, { jumps, lastJump }: ClockReading): boolean {
  if (lastJump === null || jumps !== reference.jumps + 1) return false
  return lastJump.ms < 0 || reference.ledgerMs < lastJump.afterMs
}

/** Asks the ledger, undoes an answer that was computed by a clock that jumped, and asks again until the clock is known. */
export type ByTheClock = <T extends { clock: ClockReading }>(
  ask: () => Promise<T>,
  undo: (answer: T) => Promise<void>,
) => Promise<T>

/** Short enough that no worker sleeps through two jumps that are some seconds apart. */
const LOOK_INTERVAL_MS = 5_000

/** Calls `look` every 5 s until `signal` aborts, also while there is nothing to send. Errors of `look` are logged. */
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

/** Watches the database's clock at every answer of the ledger, and reports a jump to the ledger. */
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
