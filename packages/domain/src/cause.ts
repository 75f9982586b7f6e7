import type { RunWaitingFor } from './run.js'

/** Why nothing is sent to the provider at the moment. Instants are ISO 8601, UTC. */
export interface Cause {
  for: RunWaitingFor
  /** A stable code. */
  class: string
  /** Null when nobody knows since when, or when it was never otherwise. */
  since: string | null
  /** A sentence. */
  detail: string
  /** What a person should do. */
  advice: string
  /** When the cause is looked at again; null when nobody can say. */
  until: string | null
}

/** Why the queue gives or takes no jobs. */
export interface QueueProblem {
  class: 'queue_down' | 'queue_refuses_jobs'
  /** A sentence. */
  detail: string
}

/** Whether the provider can be asked at the moment, as far as is known. */
export const PROVIDER_STATUSES = [
  'up',
  'waiting_quota',
  'waiting_key',
  'unreachable',
  'failing',
  'unknown',
] as const
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number]
