import type { Contestant, TaskLimit } from './task.js'

type Disturbance = 'none' | 'workers killed' | 'PostgreSQL crashes'

/** One sender under one set of limits, measured once. */
export interface Trial {
  limits: readonly TaskLimit[]
  contestant: Contestant
  /** Where our queue is; the other limiters all keep their state in Redis. */
  queue: 'Redis' | 'PostgreSQL'
  disturbance: Disturbance
  /** How long the trial lasts from the first arrival; the disturbance comes half-way. */
  seconds: number
  /** The least part of the quota that our worker must use; null when it only must not exceed a limit. */
  atLeast: number | null
}

/** One set of limits, and which trials there are under it. */
interface Scene {
  limits: TaskLimit[]
  seconds: number
  /** How long the trials last with --quick; null leaves the scene out. */
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
 * Days are scaled to seconds: requests of a day are not spread out, and the worker rests while a day is spent. Each trial lasts
 * somewhat longer than a whole number of windows: only whole windows count as used, but no limit may be exceeded in the rest.
 */
const SCENES: Scene[] = [
  // A margin of 90 ms is little of a real day but 4 % of this one; in the next scene it is 0.4 %.
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

const QUEUES: [Trial['queue'], Trial['queue']] = ['Redis', 'PostgreSQL']
const OTHERS = ['bullmq', 'rate-limiter-flexible', 'bottleneck'] as const

/** The trials of one run of the benchmark, in their order. */
export function trialsOf({ quick, redis }: { quick: boolean; redis: boolean }): Trial[] {
  return SCENES.flatMap((scene) => {
    const seconds = quick ? scene.quickSeconds : scene.seconds
    return seconds === null ? [] : trialsOfScene(scene, seconds)
  }).filter((trial) => redis || trial.queue !== 'Redis')
}

function trialsOfScene(
  { limits, atLeast, quickSeconds, disturbed, compared }: Scene,
  seconds: number,
): Trial[] {
  const trial = (queue: Trial['queue'], more: Partial<Trial> = {}): Trial => ({
    limits,
    contestant: 'stockpile',
    queue,
    disturbance: 'none',
    seconds,
    atLeast: null,
    ...more,
  })
  // Each queue meets one of the two disturbances in the quick scenes and the other one in the rest.
  const [first, second] = QUEUES
  const [one, other] = quickSeconds === null ? [second, first] : [first, second]
  return [
    ...QUEUES.map((queue) => trial(queue, { atLeast })),
    ...(disturbed
      ? [trial(one, { disturbance: 'workers killed' }), trial(other, { disturbance: 'PostgreSQL crashes' })]
      : []),
    ...(compared ? OTHERS.map((contestant) => trial('Redis', { contestant })) : []),
  ]
}
