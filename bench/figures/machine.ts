import { availableParallelism, cpus } from 'node:os'

/** The cores that this process may use and their model: `2 × Intel(R) Xeon(R) CPU @ 2.50GHz`. */
export function describeMachine(): string {
  return `${availableParallelism()} × ${cpus()[0]?.model ?? 'unknown'}`
}
