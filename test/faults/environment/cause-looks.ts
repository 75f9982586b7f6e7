import { z } from 'zod'
import type { Http } from './http.js'

/** Why work stands still, as runs name it in `waiting.for`; `database` is what a 503 of the API stands for. */
export type Cause = 'worker' | 'storage' | 'key' | 'provider' | 'quota' | 'queue' | 'database'

/** The answers of the API that name a cause: /readyz, /api/quota and the newest unfinished run. */
export const PLACES = ['readiness', 'quota', 'run'] as const
export type Place = (typeof PLACES)[number]

/** What one place said at one moment. */
export interface Look {
  /** When the place was asked, in epoch milliseconds. */
  atMs: number
  /** When the answer had come, in epoch milliseconds. */
  answeredMs: number
  place: Place
  /** `as` is the name of a check for readiness, and of a cause for the other places. */
  told: { as: string; since: string | null }[]
  /** Whether an end was estimated: of the run, or of everything unfinished. */
  hasEstimate?: boolean
}

/** The checks of readiness that name a cause. */
const CHECKS: Record<Cause, readonly string[]> = {
  worker: ['workers'],
  // A server that takes no writes is named by the check of the database.
  storage: ['storage', 'database'],
  key: ['provider'],
  provider: ['provider'],
  quota: ['provider'],
  queue: ['queue'],
  database: ['database'],
}

const named = z.object({ since: z.string().nullable(), advice: z.string().min(1) })
const readiness = z.object({
  data: z.object({
    status: z.enum(['ready', 'degraded']),
    causes: z.array(named.extend({ check: z.string(), class: z.string() })),
  }),
})
const quota = z.object({
  data: z.object({
    items_waiting: z.number(),
    backlog_done_at: z.string().nullable(),
    causes: z.array(named.extend({ for: z.string() })),
  }),
})
const runs = z.object({
  data: z.array(
    z.object({
      finished_at: z.string().nullable(),
      estimated_completion_at: z.string().nullable(),
      no_estimate_because: z.string().nullable(),
      waiting: z.object({ for: z.string(), since: z.string().nullable() }).nullable(),
    }),
  ),
})

/** What an answer of 503 says. */
const AWAY = [{ as: 'database', since: null }]

/**
 * Asks the three places one after the other and hands each look to `note` at once.
 * @throws ZodError when an answer has not the expected shape; another error when the API does not answer
 */
export async function lookAtCauses(http: Pick<Http, 'request'>, note: (look: Look) => void): Promise<void> {
  async function ask<Answer>(path: string, shape: z.ZodType<Answer>) {
    const atMs = Date.now()
    const { status, text } = await http.request(path)
    return {
      at: { atMs, answeredMs: Date.now() },
      answer: status === 503 ? null : shape.parse(JSON.parse(text)),
    }
  }
  const ready = await ask('/readyz', readiness)
  note({
    ...ready.at,
    place: 'readiness',
    told: ready.answer?.data.causes.map(({ check, since }) => ({ as: check, since })) ?? AWAY,
  })
  const spent = await ask('/api/quota', quota)
  note({
    ...spent.at,
    place: 'quota',
    told: spent.answer?.data.causes.map((one) => ({ as: one.for, since: one.since })) ?? AWAY,
    hasEstimate: (spent.answer?.data.items_waiting ?? 0) > 0 && spent.answer?.data.backlog_done_at !== null,
  })
  const listed = await ask('/api/ingest?limit=5', runs)
  if (listed.answer === null) note({ ...listed.at, place: 'run', told: AWAY })
  const unfinished = listed.answer?.data.find((run) => run.finished_at === null)
  if (unfinished === undefined) return
  const { waiting, estimated_completion_at: estimate } = unfinished
  note({
    ...listed.at,
    place: 'run',
    told: waiting === null ? [] : [{ as: waiting.for, since: waiting.since }],
    hasEstimate: estimate !== null,
  })
}

/** How a look names a cause; undefined when it does not. */
export function namedIn({ place, told }: Look, cause: Cause): Look['told'][number] | undefined {
  return told.find(({ as }) => (place === 'readiness' ? CHECKS[cause].includes(as) : as === cause))
}
