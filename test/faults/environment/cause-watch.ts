import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { lookAtCauses, namedIn, PLACES } from './cause-looks.js'
import type { Cause, Look, Place } from './cause-looks.js'
import type { Http } from './http.js'

/** Watches for I7: which cause of a standstill the API names, where and when. */
export interface CauseWatch {
  /** Starts to ask, every second. Until the first fault no cause may be named. */
  watch: () => void
  /** Says that a fault begins now, so that each place must name its cause within 30 s. */
  began: (cause: Cause) => void
  /** Says that the fault ends now, so that no place may name its cause 30 s later. */
  ended: () => void
  /** Resolves when there are looks enough to judge the last begin or end. */
  judgeable: () => Promise<void>
  /** The complaints about I7, one sentence each. */
  violations: () => string[]
  close: () => Promise<void>
}

const LIMIT_MS = 30_000
const INTERVAL_MS = 1_000
/** How long the watch goes on after the limit, so that some looks lie beyond it. */
const JUDGED_MS = 6_000

/** A standstill that a scenario brought about; without `endedMs` it goes on. */
interface Fault {
  cause: Cause
  beganMs: number
  endedMs?: number
}

export function watchCauses(http: Pick<Http, 'request'>): CauseWatch {
  const looks: Look[] = []
  const faults: Fault[] = []
  const stop = new AbortController()
  let watching: Promise<void> | undefined
  let watchedMs = 0

  async function lookOn(): Promise<void> {
    while (!stop.signal.aborted) {
      // An API that is away names no cause: I6 judges its absence.
      await lookAtCauses(http, (look) => looks.push(look)).catch((error: unknown) => {
        if (error instanceof z.ZodError) throw error
      })
      await sleep(INTERVAL_MS, undefined, { signal: stop.signal }).catch(() => {})
    }
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
      // A busy machine may answer seldom, so each place has a minute more to say something.
      const isSeen = (place: Place) =>
        looks.some((one) => one.place === place && one.atMs >= fromMs + LIMIT_MS)
      while (Date.now() < fromMs + 3 * LIMIT_MS && !PLACES.every(isSeen)) await sleep(INTERVAL_MS)
    },
    violations: () => [
      ...faults.flatMap((fault, index) => violationsOf(fault, faults[index + 1], looks)),
      ...inventedCauses(
        looks.filter((one) => one.atMs >= watchedMs),
        faults,
      ),
    ],
    async close() {
      stop.abort()
      await watching
    },
  }
}

/** What is wrong with how one fault was named, until the next one began. */
function violationsOf(fault: Fault, next: Fault | undefined, looks: readonly Look[]): string[] {
  const { cause, beganMs, endedMs = Infinity } = fault
  const nextMs = next?.beganMs ?? Infinity
  const found: string[] = []
  // A look that was under way when the fault ended may name the cause or not.
  const lasting = looks.filter((one) => one.atMs >= beganMs + LIMIT_MS && one.answeredMs < endedMs)
  for (const place of PLACES) {
    const during = lasting.filter((one) => one.place === place)
    if (during.length === 0) found.push(`I7: nobody looked at ${place} while ${cause} was to be told`)
    const silent = during.filter((one) => namedIn(one, cause) === undefined)
    if (silent.length > 0)
      found.push(
        `I7: ${place} does not name ${cause} ${seconds((silent[0]?.atMs ?? 0) - beganMs)} after its begin (${silent.length} of ${during.length} looks)`,
      )
    const since = during.map((one) => namedIn(one, cause)?.since).find((one) => one !== undefined)
    if (cause !== 'database' && since !== undefined && !isNear(since, beganMs))
      found.push(`I7: ${place} says that ${cause} is so since ${since}, not since ${instant(beganMs)}`)
  }
  const guessed = lasting.filter((one) => one.hasEstimate === true && cause !== 'quota')
  if (guessed.length > 0) found.push(`I7: ${guessed[0]?.place} has an estimate while ${cause} holds work up`)
  const told = looks.filter(
    (one) => one.atMs >= endedMs + LIMIT_MS && one.atMs < nextMs && namedIn(one, cause) !== undefined,
  )
  if (told.length > 0)
    found.push(
      `I7: ${told[0]?.place} still names ${cause} ${seconds((told[0]?.atMs ?? 0) - endedMs)} after its end (${told.length} looks)`,
    )
  return found
}

/** Causes that were named outside of every fault and of the 30 s after its end. */
function inventedCauses(looks: readonly Look[], faults: readonly Fault[]): string[] {
  const quiet = looks.filter((one) =>
    faults.every(
      ({ beganMs, endedMs = Infinity }) => one.answeredMs < beganMs || one.atMs >= endedMs + LIMIT_MS,
    ),
  )
  const told = quiet.filter((one) => one.told.length > 0)
  return [...new Set(told.map((one) => `I7: ${one.place} names ${one.told[0]?.as} while there is no fault`))]
}

function isNear(since: string | null, beganMs: number): boolean {
  return since !== null && Math.abs(Date.parse(since) - beganMs) <= LIMIT_MS
}

const seconds = (ms: number) => `${Math.round(ms / 1_000)} s`
const instant = (ms: number) => new Date(ms).toISOString()
