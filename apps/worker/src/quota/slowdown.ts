import type { Refusal } from '@stockpile/domain/refusal'

/** Whether the provider asks to slow down without naming a limit, as by HTTP 429. */
export function asksToSlowDown({ scope, row }: Refusal): boolean {
  return scope === 'everything' && row.limit === null
}

/**
 * Judges how long a worker believes a server that asks to slow down. The first answer is believed for a minute at most, since
 * it may be a proxy's. When a request that was sent after that wait gets such an answer again, the server is believed for as
 * long as it asks, within the client's bound. Each worker judges by its own requests.
 */
export class Slowdown {
  /** The end of the wait that was last judged, by `performance.now()`; null when there is none. */
  #overAt: number | null = null

  /**
   * @param sentAt the instant at which the refused request was sent, by `performance.now()`
   * @returns the refusal to act on
   */
  judge(error: Refusal, sentAt: number): Refusal {
    const { disposition } = error
    if (disposition.action !== 'snooze' || disposition.again === undefined) return error
    // Long after the wait the answer stands for itself.
    if (this.#overAt !== null && sentAt > this.#overAt + FORGOTTEN_AFTER_MS) this.#overAt = null
    const isRepeated = this.#overAt !== null && sentAt >= this.#overAt - EARLY_MS
    const judged = isRepeated ? disposition.again : error
    // Answers to requests that were in flight at the same time tell nothing new.
    if (isRepeated || this.#overAt === null) {
      const waitMs = judged.disposition.action === 'snooze' ? judged.disposition.waitMs : 0
      this.#overAt = performance.now() + waitMs
    }
    return judged
  }

  /** Forgets the wait, since the server answered something else. */
  answered(): void {
    this.#overAt = null
  }
}

/** While there is work a request leaves soon after a wait; a refusal later than this is not a repetition. */
const FORGOTTEN_AFTER_MS = 5 * 60_000

/** The database ends the wait by its clock, which may run differently from this one. */
const EARLY_MS = 1_000
