import type { Limit } from '@stockpile/domain/limit'

/** How many of the newest durations are kept. */
const KEPT = 100
/** The first durations are those of a cold process: even the shortest is long, and would hide that requests were late. */
const ENOUGH = 10
/** No network needs longer for one way and back; without this cap a process that is always slow would pass for the way. */
const LONGEST_WAY_MS = 250
/** The latest arrival on a machine with four times the load that it can bear was 190 ms after the request was sent. */
const MOST_MOVED_MS = 250

/** The shortest of the durations; 0 while there are too few. */
const shortest = (ms: readonly number[]) => (ms.length < ENOUGH ? 0 : Math.min(...ms))

function keep(list: number[], ms: number): void {
  list.push(ms)
  if (list.length > KEPT) list.shift()
}

/** How late the request of one reservation is; all times in milliseconds. */
export interface SlotTiming {
  /** Must be called when the ledger has answered with a slot. */
  answered: (slot: { waitMs: number; slotMs: number }) => void
  /** By how much the request is late now; 0 within the tolerance. */
  lateMs: () => number
  /**
   * Once the provider has answered: how much later than its slot the request may have arrived; 0 within the tolerance. At
   * most 250 ms, since an answer that takes longer than others took the provider's time more often than the network's.
   */
  arrivedLateMs: (durationMs: number) => number
}

/**
 * Judges how late the request of a slot is. The database's clock cannot be seen from here, only that it was read between
 * question and answer. So lateness is counted from the question, less the shortest recent way there and back, which every
 * request has. Half of the narrowest margin may be lost so; the other half is left to the provider's network.
 */
export class SlotLateness {
  readonly #toleranceMs: number
  readonly #waysMs: number[] = []
  readonly #durationsMs: number[] = []

  constructor(limits: readonly Limit[]) {
    const margins = limits.filter((limit) => limit.max > 0).map((limit) => limit.marginMs)
    this.#toleranceMs = Math.min(...margins) / 2
  }

  /** Starts to time a reservation; must be called right before the ledger is asked for a slot. */
  start(): SlotTiming {
    const askedAt = performance.now()
    let slotAt = askedAt
    const sinceSlotMs = () => performance.now() - slotAt - Math.min(LONGEST_WAY_MS, shortest(this.#waysMs))
    const beyondTolerance = (ms: number) => (ms <= this.#toleranceMs ? 0 : ms)
    return {
      answered: ({ waitMs, slotMs }) => {
        slotAt = askedAt + slotMs
        const serverMs = slotMs - waitMs
        keep(this.#waysMs, Math.max(0, performance.now() - askedAt - serverMs))
      },
      lateMs: () => beyondTolerance(sinceSlotMs()),
      arrivedLateMs: (durationMs) => {
        const lateMs = Math.min(MOST_MOVED_MS, sinceSlotMs() - shortest(this.#durationsMs))
        keep(this.#durationsMs, durationMs)
        return beyondTolerance(lateMs)
      },
    }
  }
}
