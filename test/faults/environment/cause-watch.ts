import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import type { Http } from './http.js'

/** What a fault is to be told as: what runs wait for, or the database, without which nothing else is told. */
export type Cause = 'worker' | 'storage' | 'key' | 'provider' | 'quota' | 'queue' | 'database'

/** I7: what the API names as the cause of a standstill, where and when. */
export interface CauseWatch {
  /** Begins to look, every second. Until the first fault no cause may be told. */
  watch: () => void
  /** A fault begins now; it is to be named within 30 s, everywhere. */
  began: (cause: Cause) => void
  /** It ends now; it is not to be named 30 s later. */
  ended: () => void
  /** Looks on until what has begun, or ended, can be judged. */
  judgeable: () => Promise<void>
  /** What I7 has to say. */
  violations: () => string[]
  close: () => Promise<void>
}

const LIMIT_MS = 30_000
const INTERVAL_MS = 1_000
/** Looks beyond the limit by which the cause is found to be told, or not to be. */
const JUDGED_MS = 6_000

const cause = z.object({ since: z.string().nullable(), advice: z.string().min(1) })
const readiness = z.object({
  data: z.object({
    status: z.enum(['ready', 'degraded']),
    causes: z.array(cause.extend({ check: z.string(), class: z.string() })),
  }),
})
const quota = z.object({
  data: z.object({
    items_waiting: z.number(),
    backlog_done_at: z.string().nullable(),
    causes: z.array(cause.extend({ for: z.string() })),
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

const PLACES = ['readiness', 'quota', 'run'] as const
type Place = (typeof PLACES)[number]

/** What one place told at one look. */
interface Look {
  /** When it was asked. */
  atMs: number
  /** When it had answered. */
  answeredMs: number
  place: Place
  told: { as: string; since: string | null }[]
  /** Of a run, and of all that is unfinished. */
  hasEstimate?: boolean
}

interface Fault {
  cause: Cause
  beganMs: number
  endedMs?: number
}

/** Which check of readiness tells what runs wait for. */
const CHECKS: Record<Cause, readonly string[]> = {
  worker: ['workers'],
  // A server that takes no writes is told of the database.
  storage: ['storage', 'database'],
  key: ['provider'],
  provider: ['provider'],
  quota: ['provider'],
  queue: ['queue'],
  database: ['database'],
}

export function watchCauses(http: Pick<Http, 'request'>): CauseWatch {
  const looks: Look[] = []
  const faults: Fault[] = []
  const stop = new AbortController()
  let watching: Promise<void> | undefined
  let watchedMs = 0

  async function ask<Answer>(path: string, shape: z.ZodType<Answer>) {
    const atMs = Date.now()
    const { status, text } = await http.request(path)
    return {
      at: { atMs, answeredMs: Date.now() },
      answer: status === 503 ? null : shape.parse(JSON.parse(text)),
    }
  }
  const away = [{ as: 'database', since: null }]

  async function look(): Promise<void> {
    const ready = await ask('/readyz', readiness)
    looks.push({
      ...ready.at,
      place: 'readiness',
      told: ready.answer?.data.causes.map(({ check, since }) => ({ as: check, since })) ?? away,
    })
    const spent = await ask('/api/quota', quota)
    looks.push({
      ...spent.at,
      place: 'quota',
      told: spent.answer?.data.causes.map((one) => ({ as: one.for, since: one.since })) ?? away,
      hasEstimate: (spent.answer?.data.items_waiting ?? 0) > 0 && spent.answer?.data.backlog_done_at !== null,
    })
    const listed = await ask('/api/ingest?limit=5', runs)
    if (listed.answer === null) looks.push({ ...listed.at, place: 'run', told: away })
    const unfinished = listed.answer?.data.find((run) => run.finished_at === null)
    if (unfinished === undefined) return
    const { waiting, estimated_completion_at: estimate } = unfinished
    looks.push({
      ...listed.at,
      place: 'run',
      told: waiting === null ? [] : [{ as: waiting.for, since: waiting.since }],
      hasEstimate: estimate !== null,
    })
  }

  async function lookOn(): Promise<void> {
    while (!stop.signal.aborted) {
      // An API that is away tells nothing: that is for I6 to judge.
      await look().catch((error: unknown) => {
        if (error instanceof z.ZodError) throw error
      })
      await sleep(INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
  }

  function isToldAs({ place, told }: Look, cause: Cause) {
    return told.find(({ as }) => (place === 'readiness' ? CHECKS[cause].includes(as) : as === cause))
  }

  function violationsOf(fault: Fault, next: Fault | undefined): string[] {
    const { cause, beganMs, endedMs = Infinity } = fault
    const nextMs = next?.beganMs ?? Infinity
    const found: string[] = []
    // A look that the end of the fault overtook may tell either.
    const lasting = looks.filter((one) => one.atMs >= beganMs + LIMIT_MS && one.answeredMs < endedMs)
    for (const place of PLACES) {
      const during = lasting.filter((one) => one.place === place)
      if (during.length === 0) found.push(`I7: nobody looked at ${place} while ${cause} was to be told`)
      const silent = during.filter((one) => isToldAs(one, cause) === undefined)
      if (silent.length > 0)
        found.push(
          `I7: ${place} does not name ${cause} ${seconds((silent[0]?.atMs ?? 0) - beganMs)} after its begin (${silent.length} of ${during.length} looks)`,
        )
      const since = during.map((one) => isToldAs(one, cause)?.since).find((one) => one !== undefined)
      if (cause !== 'database' && since !== undefined && !isNear(since, beganMs))
        found.push(`I7: ${place} says that ${cause} is so since ${since}, not since ${instant(beganMs)}`)
    }
    const guessed = lasting.filter((one) => one.hasEstimate === true && cause !== 'quota')
    if (guessed.length > 0)
      found.push(`I7: ${guessed[0]?.place} has an estimate while ${cause} holds work up`)
    const told = looks.filter(
      (one) => one.atMs >= endedMs + LIMIT_MS && one.atMs < nextMs && isToldAs(one, cause) !== undefined,
    )
    if (told.length > 0)
      found.push(
        `I7: ${told[0]?.place} still names ${cause} ${seconds((told[0]?.atMs ?? 0) - endedMs)} after its end (${told.length} looks)`,
      )
    return found
  }

  /** Outside of every fault, and of the 30 s after it, nothing is to be told. */
  function invented(): string[] {
    const quiet = looks.filter((one) =>
      faults.every(
        ({ beganMs, endedMs = Infinity }) => one.answeredMs < beganMs || one.atMs >= endedMs + LIMIT_MS,
      ),
    )
    const told = quiet.filter((one) => one.atMs >= watchedMs && one.told.length > 0)
    return [
      ...new Set(told.map((one) => `I7: ${one.place} names ${one.told[0]?.as} while there is no fault`)),
    ]
  }

  return {
    watch() {
      watchedMs = Date.now()
      watching ??= lookOn()
    },
    began(cause) {
      watching ??= lookOn()
      if (watchedMs === 0) watchedMs = Date.now()
      faults.push({ cause, beganMs: Date.now() })
    },
    ended() {
      const last = faults.at(-1)
      if (last === undefined || last.endedMs !== undefined) throw new Error('No fault goes on')
      last.endedMs = Date.now()
    },
    async judgeable() {
      const last = faults.at(-1)
      const fromMs = last?.endedMs ?? last?.beganMs ?? Date.now()
      await sleep(Math.max(0, fromMs + LIMIT_MS + JUDGED_MS - Date.now()))
      if (last === undefined || last.endedMs !== undefined) return
      // On a busy machine a place may answer seldom: one that says nothing for a minute is not waited for.
      const isSeen = (place: Place) =>
        looks.some((one) => one.place === place && one.atMs >= fromMs + LIMIT_MS)
      while (Date.now() < fromMs + 3 * LIMIT_MS && !PLACES.every(isSeen)) await sleep(INTERVAL_MS)
    },
    violations: () => [
      ...faults.flatMap((fault, index) => violationsOf(fault, faults[index + 1])),
      ...invented(),
    ],
    async close() {
      stop.abort()
      await watching
    },
  }
}

function isNear(since: string | null, beganMs: number): boolean {
  return since !== null && Math.abs(Date.parse(since) - beganMs) <= LIMIT_MS
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`
const instant = (ms: number) => new Date(ms).toISOString()
