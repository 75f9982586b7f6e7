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

const perDay = (max: number, windowMs: number): TaskLimit => ({ name: 'day', max, windowMs })
const perMinute = (max: number, windowMs = 60_000): TaskLimit => ({ name: 'minute', max, windowMs })
const perSecond = (max: number, windowMs = 1_000): TaskLimit => ({ name: 'second', max, windowMs })
const BARE = { quickSeconds: null, disturbed: false, compared: false }

/**
 * Days are scaled to seconds: they are not smoothed, and the worker is away while one is spent. Each lasts somewhat longer
 * than a whole number of windows: those are counted, but none may be exceeded in the rest either.
 */
const SCENES: Scene[] = [
  // A margin of 90 ms is little of a real day, and 4 % of this one: hence the next row, where it is 0.4 %.
  {
    limits: [perDay(25, 2_000)],
    seconds: 20.5,
    quickSeconds: 10.5,
    atLeast: 0.9,
    disturbed: true,
    compared: true,
  },
  { ...BARE, limits: [perDay(25, 20_000)], seconds: 42, atLeast: 0.99 },
  {
    ...BARE,
    limits: [perMinute(100, 10_000), perSecond(25, 2_000)],
    seconds: 20.5,
    quickSeconds: 14.5,
    atLeast: 0.95,
  },
  { ...BARE, limits: [perMinute(75)], seconds: 131, atLeast: 0.99, disturbed: true, compared: true },
  { ...BARE, limits: [perMinute(1_200)], seconds: 70, atLeast: 0.95 },
  { ...BARE, limits: [perSecond(20), perMinute(1_200)], seconds: 61, atLeast: 0.9 },
]

const QUEUES: [Row['queue'], Row['queue']] = ['Redis', 'PostgreSQL']
const OTHERS = ['bullmq', 'rate-limiter-flexible', 'bottleneck'] as const

/** The rows of one run, in their order. */
export function rowsOf({ quick, redis }: { quick: boolean; redis: boolean }): Row[] {
  return SCENES.flatMap((scene) => {
    const seconds = quick ? scene.quickSeconds : scene.seconds
    return seconds === null ? [] : rowsOfScene(scene, seconds)
  }).filter((row) => redis || row.queue !== 'Redis')
}

function rowsOfScene({ limits, atLeast, quickSeconds, disturbed, compared }: Scene, seconds: number): Row[] {
  const row = (queue: Row['queue'], more: Partial<Row> = {}): Row => ({
    limits,
    contestant: 'stockpile',
    queue,
    disturbance: 'none',
    seconds,
    atLeast: null,
    ...more,
  })
  // Of the two disturbances each queue meets one here and the other there.
  const [first, second] = QUEUES
  const [one, other] = quickSeconds === null ? [second, first] : [first, second]
  return [
    ...QUEUES.map((queue) => row(queue, { atLeast })),
    ...(disturbed
      ? [row(one, { disturbance: 'workers killed' }), row(other, { disturbance: 'PostgreSQL crashes' })]
      : []),
    ...(compared ? OTHERS.map((contestant) => row('Redis', { contestant })) : []),
  ]
}
