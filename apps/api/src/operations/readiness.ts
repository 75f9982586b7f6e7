import { providerStatus, queueAdvice } from '@stockpile/db/causes'
import { PROVIDER_STATUSES } from '@stockpile/domain/cause'
import type { Cause, QueueProblem } from '@stockpile/domain/cause'
import * as z from 'zod'
import { causeMembers } from './cause.js'

export const checksSchema = z.object({
  database: z.enum(['up', 'read_only']).meta({
    description: 'read_only: it serves data, and takes no rows and no runs. Down: 503.',
  }),
  queue: z.enum(['up', 'down']).meta({ description: 'down: it does not answer, or takes no jobs.' }),
  workers: z.enum(['up', 'none', 'lost', 'unknown']).meta({
    description:
      'none: the last stopped as it was told to, or none ever started. lost: the last says no more that it lives. unknown: the database takes no rows, or was too slow to say.',
  }),
  storage: z.enum(['up', 'failing', 'unknown']).meta({
    description: 'failing: what was fetched cannot be stored; nothing is asked for meanwhile.',
  }),
  provider: z.enum(PROVIDER_STATUSES).meta({
    description:
      'Not asked: what is known of it. waiting_quota: for now a refusal, or the limit of the day, lets nothing be sent. waiting_key: the key is missing or refused. unreachable: it cannot be reached, or does not answer. failing: it answers with errors alone. unknown: no worker lives that would ask it, or the database was too slow to say.',
  }),
})

export const readinessCauseSchema = z
  .object({
    check: z.enum(['database', 'queue', 'workers', 'storage', 'provider']),
    ...causeMembers,
  })
  .meta({ id: 'ReadinessCause' })

type Checks = z.infer<typeof checksSchema>
type ReadinessCause = z.infer<typeof readinessCauseSchema>

/** `since` is null, since nobody noted when the database became slow: FirstSeen fills it in. */
const SLOW_DATABASE: ReadinessCause = {
  check: 'database',
  class: 'slow',
  since: null,
  detail: 'The database is too slow to say what is known of workers, storage and provider.',
  advice: 'Look at its load, and for sessions that hold locks.',
}

interface Readiness {
  status: 'ready' | 'degraded'
  checks: Checks
  causes: ReadinessCause[]
}

/**
 * Tells readiness while the database answers. A cause that is the quota alone is no fault.
 * @param found what the database has of causes; undefined while it is too slow to say
 * @param problem what this process finds wrong with the queue; null: nothing
 */
export function readinessOf(found: readonly Cause[] | undefined, problem: QueueProblem | null): Readiness {
  const known = found === undefined ? [SLOW_DATABASE] : found.map(readinessCause)
  // The workers may have told of the queue already: they may find more than this process does, or be gone.
  const isKnown = known.some(({ check }) => check === 'queue')
  const isDegraded =
    found === undefined || problem !== null || found.some(({ for: what }) => what !== 'quota')
  return {
    status: isDegraded ? 'degraded' : 'ready',
    checks: { ...checksOf(found), queue: problem !== null || isKnown ? 'down' : 'up' },
    causes: problem === null || isKnown ? known : withQueue(known, problem),
  }
}

/** Adds the queue before the causes of the provider, where the workers' own account of the queue would be. */
function withQueue(known: readonly ReadinessCause[], problem: QueueProblem): ReadinessCause[] {
  const queue: ReadinessCause = { check: 'queue', since: null, ...problem, advice: queueAdvice(problem) }
  const isOfProvider = ({ check }: ReadinessCause) => check === 'provider'
  return [...known.filter((one) => !isOfProvider(one)), queue, ...known.filter(isOfProvider)]
}

function checksOf(causes: readonly Cause[] | undefined): Omit<Checks, 'queue'> {
  if (causes === undefined)
    return { database: 'up', workers: 'unknown', storage: 'unknown', provider: 'unknown' }
  const storage = causes.find((cause) => cause.for === 'storage')
  const worker = causes.find((cause) => cause.for === 'worker')
  const isReadOnly = storage?.class === 'read_only'
  return {
    database: isReadOnly ? 'read_only' : 'up',
    workers:
      worker === undefined
        ? isReadOnly
          ? 'unknown'
          : 'up'
        : worker.class === 'worker_lost'
          ? 'lost'
          : 'none',
    storage: storage === undefined ? 'up' : 'failing',
    provider: providerStatus(causes),
  }
}

const CHECKS = {
  worker: 'workers',
  queue: 'queue',
  storage: 'storage',
  key: 'provider',
  provider: 'provider',
  quota: 'provider',
} as const satisfies Record<Cause['for'], ReadinessCause['check']>

function readinessCause({ for: what, class: kind, since, detail, advice }: Cause): ReadinessCause {
  return { check: kind === 'read_only' ? 'database' : CHECKS[what], class: kind, since, detail, advice }
}

/** Fills in when this process first saw a cause whose beginning nobody noted. */
export class FirstSeen {
  #since = new Map<string, string>()

  stamp(causes: readonly ReadinessCause[]): ReadinessCause[] {
    const now = new Date().toISOString()
    const stamped = causes.map((cause) => ({
      ...cause,
      since: cause.since ?? this.#since.get(cause.class) ?? now,
    }))
    this.#since = new Map(stamped.map((cause) => [cause.class, cause.since]))
    return stamped
  }
}
