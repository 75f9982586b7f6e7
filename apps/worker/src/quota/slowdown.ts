import type { Refusal } from '@stockpile/domain/refusal'

/** Whether the provider asks to slow down without naming a limit, as by HTTP 429. */
export function asksToSlowDown({ scope, row }: Refusal): boolean {
  return scope === 'everything' && row.limit === null
}

/**
 * Who asks to slow down for long is believed for a while only (see the client), unless the same answer comes to a request
 * that was sent after that while: then it is no single answer of a proxy. Of one worker: each makes sure for itself.
 */
export class Slowdown {
  /** On the monotonic clock. */
  #overAt: number | null = null

  /** @param sentAt by `performance.now()`, of the request that was refused so */
  judge(error: Refusal, sentAt: number): Refusal {
    const { disposition } = error
    if (disposition.action !== 'snooze' || disposition.again === undefined) return error
    // Much later it is another time.
    if (this.#overAt !== null && sentAt > this.#overAt + FORGOTTEN_AFTER_MS) this.#overAt = null
    const isRepeated = this.#overAt !== null && sentAt >= this.#overAt - EARLY_MS
    const judged = isRepeated ? disposition.again : error
    // Others in flight at the same time tell nothing new.
    if (isRepeated || this.#overAt === null) {
      const waitMs = judged.disposition.action === 'snooze' ? judged.disposition.waitMs : 0
      this.#overAt = performance.now() + waitMs
    }
    return judged
  }

  /** Told of an answer that was none of these. */
  answered(): void {
    this.#overAt = null
  }
}

/** A request goes out soon after the wait, while there is work. */
const FORGOTTEN_AFTER_MS = 5 * 60_000

/** The wait is the database's to end, whose clock need not run as this one. */
const EARLY_MS = 1_000
