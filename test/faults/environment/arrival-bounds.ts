import type { Arrival } from '@stockpile/alphavantage/simulator'

/** Between when an arrival can have come and when it was read: this process does more than to wait for requests. */
export interface ArrivalBounds {
  note: (arrival: Arrival) => void
  /** Epoch milliseconds: later than this it came, and at `arrival.at` it was there. */
  earliest: (arrival: Arrival) => number
  close: () => void
}

const TURN_MS = 2
/** One turn of the event loop takes a connection, the next one reads from it, and the last one is under way. */
const TURNS = 3

/**
 * Each turn of the event loop reads all that has arrived before it: what is read in this turn came after the last one
 * began, and had it come with a connection of its own, after the one before. So how late an arrival was read is known
 * for each, however busy the machine: some milliseconds on an idle one.
 */
export function watchArrivals(): ArrivalBounds {
  const now = () => performance.timeOrigin + performance.now()
  let turns = Array.from({ length: TURNS }, now)
  const timer = setInterval(() => (turns = [...turns.slice(1), now()]), TURN_MS)
  timer.unref()
  const earliest = new WeakMap<Arrival, number>()
  return {
    note: (arrival) => void earliest.set(arrival, turns[0] ?? arrival.at),
    earliest: (arrival) => earliest.get(arrival) ?? arrival.at,
    close: () => clearInterval(timer),
  }
}
