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
  /** For a quick run; null: left out of one. */
  quickSeconds: number | null
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

/** Each somewhat longer than a whole number of windows: those are counted, but none may be exceeded in the rest either. */
const SCENES: Scene[] = [
  {
    limits: [SCALED_DAY],
    seconds: 20.5,
    quickSeconds: 10.5,
    atLeast: 0.99,
    disturbed: true,
    compared: true,
  },
  {
    limits: HUNDRED_AND_25,
    seconds: 20.5,
    quickSeconds: 14.5,
    atLeast: 0.95,
    disturbed: false,
    compared: true,
  },
  {
    limits: [perMinute(75)],
    seconds: 131,
    quickSeconds: null,
    atLeast: 0.99,
    disturbed: true,
    compared: true,
  },
  {
    limits: [perMinute(1_200)],
    seconds: 75,
    quickSeconds: null,
    atLeast: 0.95,
    disturbed: false,
    compared: false,
  },
  {
    limits: [TWENTY_A_SECOND, perMinute(1_200)],
    seconds: 61,
    quickSeconds: null,
    atLeast: 0.9,
    disturbed: false,
    compared: false,
  },
]

const OTHERS = ['bullmq', 'rate-limiter-flexible', 'bottleneck'] as const

/** The rows of one run, in their order. */
export function rowsOf({ quick, redis }: { quick: boolean; redis: boolean }): Row[] {
  return SCENES.flatMap((scene) => {
    const seconds = quick ? scene.quickSeconds : scene.seconds
    return seconds === null ? [] : rowsOfScene(scene, seconds, quick)
  }).filter((row) => redis || row.queue !== 'Redis')
}

function rowsOfScene(scene: Scene, seconds: number, quick: boolean): Row[] {
  const { limits, atLeast, disturbed, compared } = scene
  const ours = (queue: Row['queue'], disturbance: Disturbance = 'none'): Row => ({
    limits,
    contestant: 'stockpile',
    queue,
    disturbance,
    seconds,
    atLeast: disturbance === 'none' ? atLeast : null,
  })
  const others = OTHERS.map((contestant): Row => ({
    limits,
    contestant,
    queue: 'Redis',
    disturbance: 'none',
    seconds,
    atLeast: null,
  }))
  // The queues are exchanged where that is quick.
  const isShort = scene.quickSeconds !== null
  return [
    ours('Redis'),
    ours('PostgreSQL'),
    ...(disturbed ? [ours('Redis', 'workers killed'), ours('PostgreSQL', 'PostgreSQL crashes')] : []),
    ...(disturbed && isShort && !quick
      ? [ours('PostgreSQL', 'workers killed'), ours('Redis', 'PostgreSQL crashes')]
      : []),
    ...(compared && (disturbed || !quick) ? others : []),
  ]
}
