/** One request for data, as the simulator saw it, without the key. */
export interface Arrival {
  /** Epoch milliseconds, with the fraction that `performance.now()` gives. */
  at: number
  function: string
  symbol: string
  outputsize: string
  datatype: string
  /** `series`, the class of a refusal, `status:503`, or the kind of another scripted answer. */
  answer: string
  /** Eight hex digits of the key's SHA-256. */
  keyFingerprint: string
}

export interface ArrivalLog {
  add: (arrival: Arrival) => void
  all: () => Arrival[]
}

const KEPT = 100_000

/** Keeps between the newest 100,000 and twice as many, so that a soak does not fill the memory. */
export function arrivalLog(onArrival?: (arrival: Arrival) => void): ArrivalLog {
  let kept: Arrival[] = []
  return {
    add: (arrival) => {
      kept.push(arrival)
      if (kept.length >= 2 * KEPT) kept = kept.slice(-KEPT)
      onArrival?.(arrival)
    },
    all: () => [...kept],
  }
}
