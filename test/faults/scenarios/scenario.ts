import { busyness } from '@stockpile/test-harness/patience'
import type { Backend } from '../environment/backends.js'
import type { Environment, EnvironmentOptions } from '../environment/environment.js'

/** One fault, and what is expected of the system. Several scenarios may show one number of the matrix. */
export interface Scenario {
  number: number
  /** Names the fault and the expectation in one sentence. */
  title: string
  /** Both backends where the fault touches the queue, else one. */
  backends: readonly Backend[]
  /** Whether `--quick` runs the scenario, since it tells much and takes seconds. */
  quick?: boolean
  /** How the environment differs from the usual one: an API, a worker, a shared PostgreSQL. */
  environment?: EnvironmentOptions
  /** How long the scenario and its invariants may take, in place of ten minutes. */
  deadlineMs?: number
  /**
   * Injects the fault and checks what this scenario alone expects. The runner checks the invariants afterwards, once every
   * accepted item has ended.
   * @throws an error that says what does not hold
   */
  run(environment: Environment): Promise<Survival | void>
}

/** What a scenario that was survived has to report. */
interface Survival {
  /** How long it took from the fault, or from its end where it lasts, to normal work. */
  recoveryMs?: number
  /** The longest that the recovery may take; without this limit the recovery is only printed. */
  recoveryLimitMs?: number
  /** Symbols of which the upstream served something else than the reference; the scenario checks their rows itself. */
  tampered?: readonly string[]
  /** Why the fault could not be injected on this machine, so that nothing was shown. Under CI=true that is a failure. */
  skipped?: string
}

/** How long a POST without the queue may take, in milliseconds: a second is promised, the rest is for a busy machine. */
export const postLimitMs = () => 2_500 * busyness()
/** How soon work goes on after a worker was killed. */
export const RECOVERY_LIMIT_MS = 20_000
