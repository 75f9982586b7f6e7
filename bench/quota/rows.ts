import type { Contestant, TaskLimit } from './task.js'

type Disturbance = 'none' | 'workers killed' | 'PostgreSQL crashes'

export interface Row {
  limits: readonly TaskLimit[]
  contestant: Contestant
  /** Where our queue lives; of the others, all keep their state in Redis. */
  queue: 'Redis' | 'PostgreSQL'
  disturbance: Disturbance
  /** From the first arrival. The disturbance comes half-way. */
  seconds: number
  /** The least part of the quota that ours must use; null: no target, but for that no limit is exceeded. */
  atLeast: number | null
}

interface Scene {
  limits: TaskLimit[]
  seconds: number
  atLeast: number
  disturbed: boolean
  compared: boolean
}

/** A daily limit in 2 s: like the day's, it is not smoothed, and the worker is away while it is spent. */
const SCALED_DAY: TaskLimit = { name: 'day', max: 25, windowMs: 2_000 }
const HUNDRED_AND_25: TaskLimit[] = [
  { name: 'minute', max: 100, windowMs: 10_000 },
  { name: 'second', max: 25, windowMs: 2_000 },
]
const perMinute = (max: number): TaskLimit => ({ name: 'minute', max, windowMs: 60_000 })
const TWENTY_A_SECOND: TaskLimit = { name: 'second', max: 20, windowMs: 1_000 }

/** Each a little longer than a whole number of windows, which is what counts. */
const SHORT: Scene[] = [
  { limits: [SCALED_DAY], seconds: 20.5, atLeast: 0.99, disturbed: true, compared: true },
  { limits: HUNDRED_AND_25, seconds: 20.5, atLeast: 0.95, disturbed: false, compared: true },
]
const LONG: Scene[] = [
  { limits: [perMinute(75)], seconds: 131, atLeast: 0.99, disturbed: true, compared: true },
  { limits: [perMinute(1_200)], seconds: 121, atLeast: 0.95, disturbed: false, compared: false },
  {
    limits: [TWENTY_A_SECOND, perMinute(1_200)],
    seconds: 61,
    atLeast: 0.9,
    disturbed: false,
    compared: false,
  },
]

const OTHERS = ['bullmq', 'rate-limiter-flexible', 'bottleneck'] as const

/** The rows of one run, in their order; `quick` leaves out all that take longer than half a minute. */
export function rowsOf({ quick, redis }: { quick: boolean; redis: boolean }): Row[] {
  const rows = (quick ? SHORT : [...SHORT, ...LONG]).flatMap((scene) => rowsOfScene(scene, quick))
  return redis ? rows : rows.filter((row) => row.queue !== 'Redis')
}

function rowsOfScene({ disturbed, compared, ...scene }: Scene, quick: boolean): Row[] {
  const ours = (queue: Row['queue'], disturbance: Disturbance = 'none'): Row => ({
    ...scene,
    contestant: 'stockpile',
    queue,
    disturbance,
    atLeast: disturbance === 'none' ? scene.atLeast : null,
  })
  const others = OTHERS.map((contestant): Row => ({
    ...scene,
    contestant,
    queue: 'Redis',
    disturbance: 'none',
    atLeast: null,
  }))
  const long = scene.seconds > 60
  return [
    ours('Redis'),
    ours('PostgreSQL'),
    ...(disturbed ? [ours('Redis', 'workers killed'), ours('PostgreSQL', 'PostgreSQL crashes')] : []),
    // Once more with the queues exchanged, where that is quick.
    ...(disturbed && !long && !quick
      ? [ours('PostgreSQL', 'workers killed'), ours('Redis', 'PostgreSQL crashes')]
      : []),
    ...(compared ? others : []),
  ]
}
