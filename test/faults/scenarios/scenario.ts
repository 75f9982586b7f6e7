import { busyness } from '@stockpile/test-harness/patience'
import type { Backend } from '../environment/backends.js'
import type { Environment, EnvironmentOptions } from '../environment/environment.js'

/** One fault of the matrix. */
export interface Scenario {
  number: number
  /** The fault, and what is expected of the system. */
  title: string
  /** Both for what touches the queue, else one. */
  backends: readonly Backend[]
  /** Whether `--quick` runs it: it tells much and takes seconds. */
  quick?: boolean
  environment?: EnvironmentOptions
  /** Of a fault that lasts for minutes: for the scenario and its invariants, in place of ten minutes. */
  deadlineMs?: number
  /**
   * Injects the fault and checks what this scenario alone expects, throwing what does not hold. The invariants are checked
   * by the runner afterwards, once everything that was accepted has ended.
   */
  run(environment: Environment): Promise<Survival | void>
}

export interface Survival {
  /** From the fault, or from its end where it lasts, to normal work. */
  recoveryMs?: number
  /** Most that it may take; without, it is only printed. */
  recoveryLimitMs?: number
  /** What the upstream was made to serve differently of these symbols: their rows are compared by the scenario itself. */
  tampered?: readonly string[]
  /** Why the fault could not be injected on this machine: nothing was shown. Under CI=true that is a failure. */
  skipped?: string
}

/** Of a POST without the queue, milliseconds: the promise is a second; the rest is for a busy machine. */
export const postLimitMs = () => 2_500 * busyness()
/** After a worker's `kill -9`. */
export const RECOVERY_LIMIT_MS = 20_000
