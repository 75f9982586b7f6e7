import type { Limit } from '@stockpile/db/limits'

const KEPT = 100

/**
 * Judges whether a slot's owner wakes in time. The database's clock cannot be seen from here, only that it was read
 * between question and answer; so the lateness is counted from the question, less the shortest round trip of late,
 * which every request on this way takes. Half of the narrowest margin may be lost so; the other half is the network's.
 */
export class Lateness {
  readonly #toleranceMs: number
  readonly #roundTripsMs: number[] = []

  constructor(limits: readonly Limit[]) {
    const margins = limits.filter((limit) => limit.max > 0).map((limit) => limit.marginMs)
    this.#toleranceMs = Math.min(...margins) / 2
  }

  /** Call it before the reservation is asked for, and `answered` when the answer is there. */
  start(): { answered: () => void; isInTime: (waitMs: number) => boolean } {
    const askedAt = performance.now()
    return {
      answered: () => {
        this.#roundTripsMs.push(performance.now() - askedAt)
        if (this.#roundTripsMs.length > KEPT) this.#roundTripsMs.shift()
      },
      isInTime: (waitMs) => {
        const lateMs = performance.now() - askedAt - waitMs - Math.min(...this.#roundTripsMs)
        return lateMs <= this.#toleranceMs
      },
    }
  }
}
