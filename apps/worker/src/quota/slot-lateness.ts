import type { Limit } from '@stockpile/domain/limit'

const KEPT = 100
/** The first few are of a cold process: what is shortest among them is still long, and would hide that they were late. */
const ENOUGH = 10
/** No network is further; a process that is always slow must not take that for the way. */
const LONGEST_WAY_MS = 250
/** The latest arrival seen on a machine with four times the load that it can bear was 190 ms after it was sent. */
const MOST_MOVED_MS = 250

const shortest = (ms: readonly number[]) => (ms.length < ENOUGH ? 0 : Math.min(...ms))

function keep(list: number[], ms: number): void {
  list.push(ms)
  if (list.length > KEPT) list.shift()
}

/**
 * Judges how late a slot's owner is. The database's clock cannot be seen from here, only that it was read between
 * question and answer; so the lateness is counted from the question, less the shortest way there and back of late,
 * which every request has. Half of the narrowest margin may be lost so; the other half is the provider's network.
 */
export class Lateness {
  readonly #toleranceMs: number
  readonly #waysMs: number[] = []
  readonly #durationsMs: number[] = []

  constructor(limits: readonly Limit[]) {
    const margins = limits.filter((limit) => limit.max > 0).map((limit) => limit.marginMs)
    this.#toleranceMs = Math.min(...margins) / 2
  }

  /** Call it before the reservation is asked for, and `answered` when it is there. */
  start(): {
    answered: (slot: { waitMs: number; slotMs: number }) => void
    /** By how much it is late now: 0 within the tolerance. Milliseconds. */
    lateMs: (slotMs: number) => number
    /**
     * Once the answer is there: how much later than its slot the request may have arrived, at most 250 ms, since what an
     * answer takes longer than others do is the provider's time more often than the way's. 0 within the tolerance.
     */
    arrivedLateMs: (slotMs: number, durationMs: number) => number
  } {
    const askedAt = performance.now()
    return {
      answered: ({ waitMs, slotMs }) => {
        const serverMs = slotMs - waitMs
        keep(this.#waysMs, Math.max(0, performance.now() - askedAt - serverMs))
      },
      lateMs: (slotMs) => {
        const lateMs = performance.now() - askedAt - slotMs - Math.min(LONGEST_WAY_MS, shortest(this.#waysMs))
        return lateMs <= this.#toleranceMs ? 0 : lateMs
      },
      arrivedLateMs: (slotMs, durationMs) => {
        const late = performance.now() - askedAt - slotMs - Math.min(LONGEST_WAY_MS, shortest(this.#waysMs))
        const lateMs = Math.min(MOST_MOVED_MS, late - shortest(this.#durationsMs))
        keep(this.#durationsMs, durationMs)
        return lateMs <= this.#toleranceMs ? 0 : lateMs
      },
    }
  }
}
