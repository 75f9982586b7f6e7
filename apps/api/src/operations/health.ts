import { queueAdvice, readCauses, providerStatus } from '@stockpile/db/causes'
import type { Cause, QueueProblem } from '@stockpile/domain/cause'
import { ping } from '@stockpile/db/connection'
import { PROVIDER_STATUSES } from '@stockpile/domain/cause'
import { QUEUE_DOWN, queueProblem } from '@stockpile/queue/queue'
import * as z from 'zod'
import type { Dependencies } from '../dependencies.js'
import { createProbe } from './probe.js'
import { unavailable } from '../http/problem.js'
import { answerOf, INFO, problems } from '../http/envelope.js'
import { causeMembers } from './cause.js'
import type { App } from '../types.js'

const DATABASE_DEADLINE_MS = 2_000
const QUEUE_DEADLINE_MS = 2_000

const checksSchema = z.object({
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

const readinessCauseSchema = z
  .object({
    check: z.enum(['database', 'queue', 'workers', 'storage', 'provider']),
    ...causeMembers,
  })
  .meta({ id: 'ReadinessCause' })

type Checks = z.infer<typeof checksSchema>
type ReadinessCause = z.infer<typeof readinessCauseSchema>

export function healthRoutes(app: App, { db, dataDb, queue }: Dependencies): void {
  const lookAtDatabase = createProbe(async () => {
    await Promise.all([ping(db), ping(dataDb)])
    return 'up' as const
  }, DATABASE_DEADLINE_MS)
  const lookAtQueue = createProbe(() => queueProblem(queue, QUEUE_DEADLINE_MS), QUEUE_DEADLINE_MS)
  const lookForCauses = createProbe(() => readCauses(db), DATABASE_DEADLINE_MS)
  const seen = new FirstSeen()

  app.get(
    '/healthz',
    {
      schema: {
        tags: ['health'],
        operationId: 'getLiveness',
        summary: 'Liveness: the process answers',
        response: {
          200: answerOf({
            description: 'Alive.',
            data: z.object({ status: z.literal('alive') }),
            example: { status: 'alive' },
          }),
          ...problems(),
        },
      },
    },
    async () => ({ data: { status: 'alive' as const }, info: INFO }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        tags: ['health'],
        operationId: 'getReadiness',
        summary: 'Readiness: what the API needs answers',
        description:
          'Degraded, it is still ready: data is served, and what keeps work from going on is under causes, since when and what to do. A spent quota is no fault: it is told, and the status ready. Without the database it is not ready: 503.',
        response: {
          200: answerOf({
            description: 'Ready, or degraded.',
            data: z.object({
              status: z.enum(['ready', 'degraded']),
              checks: checksSchema,
              causes: z.array(readinessCauseSchema).meta({
                description: 'Why checks are not up, first what a person has to do something about first.',
              }),
            }),
            example: {
              status: 'degraded',
              checks: { database: 'up', queue: 'up', workers: 'lost', storage: 'up', provider: 'unknown' },
              causes: [
                {
                  check: 'workers',
                  class: 'worker_lost',
                  since: '2026-05-19T09:30:11.412Z',
                  detail: 'No worker lives: the last was seen at 2026-05-19T09:30:11.412Z.',
                  advice:
                    'It was killed, is frozen or cannot reach the database: look at the end of its log, and start it again. Work goes on by itself once a worker lives.',
                },
              ],
            },
          }),
          ...problems(503),
        },
      },
    },
    async () => {
      const [database, problem = QUEUE_DOWN, found] = await Promise.all([
        lookAtDatabase(),
        lookAtQueue(),
        lookForCauses(),
      ])
      if (database === undefined) throw unavailable('The database')
      const known = found === undefined ? [SLOW_DATABASE] : found.map(readinessCause)
      // The workers may find more than this process does, or be gone.
      const isKnown = known.some(({ check }) => check === 'queue')
      const causes = problem === null || isKnown ? known : withQueue(known, problem)
      const isDegraded =
        found === undefined || problem !== null || found.some(({ for: what }) => what !== 'quota')
      return {
        data: {
          status: isDegraded ? 'degraded' : 'ready',
          checks: { ...checksOf(found), queue: problem !== null || isKnown ? 'down' : 'up' },
          causes: seen.stamp(causes),
        },
        info: INFO,
      } as const
    },
  )
}

/** What this process finds by itself, it knows since when it first did. */
const SLOW_DATABASE: ReadinessCause = {
  check: 'database',
  class: 'slow',
  since: null,
  detail: 'The database is too slow to say what is known of workers, storage and provider.',
  advice: 'Look at its load, and for sessions that hold locks.',
}

/** Where the workers' would stand: before what is known of the provider. */
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

/** Since when this process has seen causes of which nobody noted it. */
class FirstSeen {
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
