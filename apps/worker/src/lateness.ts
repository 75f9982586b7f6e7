import type { Limit } from '@stockpile/db/limits'

const KEPT = 100
/** The first few are of a cold process: what is shortest among them is still long, and would hide that they were late. */
const ENOUGH = 10
/** No network is further; a process that is always slow must not take that for the way. */
const LONGEST_WAY_MS = 250

/**
 * Judges how late a slot's owner is. The database's clock cannot be seen from here, only that it was read between
 * question and answer; so the lateness is counted from the question, less the shortest way there and back of late,
 * which every request has. Half of the narrowest margin may be lost so; the other half is the provider's network.
 */
export class Lateness {
  readonly #toleranceMs: number
  readonly #waysMs: number[] = []

  constructor(limits: readonly Limit[]) {
    const margins = limits.filter((limit) => limit.max > 0).map((limit) => limit.marginMs)
    this.#toleranceMs = Math.min(...margins) / 2
  }

  /** Call it before the reservation is asked for, and `answered` when it is there. */
  start(): {
    answered: (slot: { waitMs: number; slotMs: number }) => void
    /** By how much it is late now: 0 within the tolerance. Milliseconds. */
    lateMs: (slotMs: number) => number
  } {
    const askedAt = performance.now()
    return {
      answered: ({ waitMs, slotMs }) => {
        const serverMs = slotMs - waitMs
        this.#waysMs.push(Math.max(0, performance.now() - askedAt - serverMs))
        if (this.#waysMs.length > KEPT) this.#waysMs.shift()
      },
      lateMs: (slotMs) => {
        const wayMs = this.#waysMs.length < ENOUGH ? 0 : Math.min(LONGEST_WAY_MS, ...this.#waysMs)
        const lateMs = performance.now() - askedAt - slotMs - wayMs
        return lateMs <= this.#toleranceMs ? 0 : lateMs
      },
    }
  }
}
