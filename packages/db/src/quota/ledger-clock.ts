import { sql } from 'drizzle-orm'
import type { Database } from '../database/connection.js'

/** A reading of the database's clock by the ledger, without the jumps of the clock that the ledger knows of. */
export interface ClockReading {
  /** Milliseconds on a scale of the ledger's own. */
  ledgerMs: number
  /** How many jumps the ledger knows of. */
  jumps: number
  /** The last jump in milliseconds: by how much, and a lower bound of `ledgerMs` right after it; null before any jump. */
  lastJump: { ms: number; afterMs: number } | null
  /** The id of the newest request in the ledger: a higher id was reserved later. */
  newestId: number
  /** Whether the clock was set back unseen: the ledger has an instant further ahead than any can be. See `settleLedger`. */
  isBehind: boolean
}

/**
 * Reports that the database's clock was set. The instants in the ledger move with the clock, once however many workers
 * report the jump, so that windows and waits end when they should.
 * @param jump.ms how far the clock moved, in milliseconds; negative: back
 * @param jump.seen `jumps` of the reading that shows the jump
 * @param jump.newestId `newestId` of the last reading before the jump
 * @param jump.afterMs a lower bound of `ledgerMs` right after the jump, in milliseconds
 * @returns whether the jump was not known yet
 */
export async function noteClockJump(
  db: Database,
  jump: { ms: number; seen: number; newestId: number; afterMs: number },
): Promise<boolean> {
  const [row] = await db.execute<{ noted: boolean }>(sql`
    SELECT note_clock_jump(${jump.ms}::float8, ${jump.seen}::int, ${jump.newestId}::bigint, ${jump.afterMs}::float8) AS noted`)
  const isNew = row?.noted ?? false
  if (isNew) await moveNextAttempts(db, jump.ms)
  return isNew
}

/**
 * Moves when the next attempts of items are due: all forward; back only those that lie further ahead than the jump.
 * note_clock_jump does not do so itself, since it holds the ledger's lock and rows of items may be locked for long.
 */
async function moveNextAttempts(db: Database, jumpMs: number): Promise<void> {
  const jump = sql`${jumpMs}::float8 * interval '1 ms'`
  const isMoved = jumpMs > 0 ? sql`` : sql`AND next_attempt_at > ledger_now() - ${jump}`
  await db.execute(sql`
    UPDATE ingest_items SET next_attempt_at = next_attempt_at + ${jump}
     WHERE state = 'pending' AND next_attempt_at IS NOT NULL ${isMoved}`)
}

/**
 * Moves to the present what a clock noted that was ahead, and that no worker saw being set back. Then no wait is longer than
 * its cause can make it, and no window forgets a request.
 */
export async function settleLedger(db: Database): Promise<void> {
  await db.execute(sql`SELECT settle_ledger()`)
}
