import { availableParallelism, loadavg } from 'node:os'

/** Between a machine that does nothing else and one that is as loaded as it can well bear. */
const SPARE = 3

/** How many times as much as its cores can do at once the machine has to do at this moment; at least 1. */
export function busyness(): number {
  const [lastMinute = 0] = loadavg()
  return Math.max(1, lastMinute / availableParallelism())
}

/**
 * How many times longer than on an idle machine something may take at this moment: the tests share their cores with each
 * other, and with whatever else runs there. A slow machine is not a defect, so the bounds of tests grow by it.
 */
export function slowness(): number {
  return SPARE * busyness()
}
