// Causes: why work does not go on, at the queue or at the provider.

import type { RunWaitingFor } from './waiting.js'

/** Why work does not go on at the moment, as runs, quota and readiness tell it. Instants are ISO 8601 in UTC. */
export interface Cause {
  /** What the work waits for. */
  for: RunWaitingFor
  /** A stable code. */
  class: string
  /** When the cause began; null when that is not known, or when work never went on before. */
  since: string | null
  /** A sentence that says what is wrong. */
  detail: string
  /** A sentence that says what a person should do. */
  advice: string
  /** When work is tried again; null when that is not known. */
  until: string | null
}

/** Why the queue gives or takes no jobs: it does not answer, or it answers and refuses to write. */
export interface QueueProblem {
  class: 'queue_down' | 'queue_refuses_jobs'
  /** A sentence that says what is wrong. */
  detail: string
}

/** Whether requests can be sent to the provider at the moment, as far as Stockpile knows. */
export const PROVIDER_STATUSES = [
  'up',
  'waiting_quota',
  'waiting_key',
  'unreachable',
  'failing',
  'unknown',
] as const
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number]
