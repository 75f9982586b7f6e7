import type { Arrival } from '@stockpile/alphavantage/simulator'

/** Bounds when a request came: this process does other work too, so it may read a request late. */
export interface ArrivalBounds {
  note: (arrival: Arrival) => void
  /** The earliest moment at which the request can have come, in epoch milliseconds; `arrival.at` is the latest. */
  earliest: (arrival: Arrival) => number
  close: () => void
}

const TURN_MS = 2
/** One turn of the event loop takes a connection, the next one reads from it, and a third one is under way. */
const TURNS = 3

/**
 * Notes when each turn of the event loop begins. A turn reads everything that has arrived, so a request was sent after the
 * turn before it began, or the one before that if its connection is new. On an idle machine that is some milliseconds.
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
