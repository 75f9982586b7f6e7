import { availableParallelism, loadavg } from 'node:os'

/** How much longer than on an idle machine things take on one that is fully loaded. */
const SPARE = 3

/** The machine's load of the last minute per core, at least 1. */
export function busyness(): number {
  const [lastMinute = 0] = loadavg()
  return Math.max(1, lastMinute / availableParallelism())
}

/**
 * How many times longer than on an idle machine something may take now. Tests share their cores with each other and with other
 * work, and a slow machine is no defect, so the deadlines of tests are multiplied by this.
 */
export function slowness(): number {
  return SPARE * busyness()
}
