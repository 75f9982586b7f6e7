import type { Item, Run } from './api.js'

/** A run as it was at one moment. */
export interface Snapshot {
  run: Run
  /** When the run was asked for, or when this npm start began if that was later: nobody worked before. */
  begunAt: Date
  /** All items of a small run; the failed items of a large one. */
  items: Item[]
}

/** A run of at most so many items is small: each item has a line of its own. */
export const SMALL_RUN = 8

export function isFinished(run: Run): boolean {
  return run.finished_at !== null
}

/** Milliseconds for which the run has been worked on at `now`. */
export function elapsedMs(begunAt: Date, now: Date): number {
  return Math.max(0, now.getTime() - begunAt.getTime())
}
