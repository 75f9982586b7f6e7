import type { Run } from './api.js'
import { clockTime } from './clock.js'
import { withAdvice, withoutControls } from '../programs/log-line.js'

/** A shorter wait for room in the quota is how a limit is kept, and no news. */
const LONG_WAIT_MS = 10_000

interface Wait {
  /** Of one item. */
  item: string
  /** Of a run, without and with the instant at which it goes on or is tried again. */
  run: string
  runUntil: (time: string) => string
  advice: string
}

const WAITS = new Map<string, Wait>([
  [
    'quota',
    {
      item: "waiting for room in the provider's limit",
      run: "waits for room in the provider's limit",
      runUntil: (time) => `waits until ${time}`,
      advice: '',
    },
  ],
  [
    'key',
    {
      item: 'waiting for a key that the provider takes',
      run: 'waits for a key that the provider takes',
      runUntil: (time) => `waits for a key that the provider takes, tries this one again at ${time}`,
      advice: 'Another one in the key file is taken at once; for one in ALPHAVANTAGE_API_KEY start again.',
    },
  ],
  [
    'provider',
    {
      item: 'waiting for the provider',
      run: 'waits for the provider',
      runUntil: (time) => `waits for the provider, asks it again at ${time}`,
      advice: 'It goes on by itself.',
    },
  ],
  [
    'storage',
    {
      item: 'waiting for PostgreSQL to take rows',
      run: 'waits for PostgreSQL to take rows, and asks for none meanwhile',
      runUntil: (time) => `waits for PostgreSQL to take rows, tries it again at ${time}`,
      advice: 'It goes on by itself.',
    },
  ],
  [
    'worker',
    {
      item: 'waiting for a worker',
      run: 'waits for a worker',
      runUntil: () => 'waits for a worker',
      advice: 'It goes on by itself once one works.',
    },
  ],
  [
    'queue',
    {
      item: 'waiting for the queue',
      run: 'waits for the queue to give and take jobs',
      runUntil: () => 'waits for the queue to give and take jobs',
      advice: 'It goes on by itself.',
    },
  ],
])

function unknownWait(what: string): Wait {
  const text = withoutControls(what)
  return {
    item: `waiting (${text})`,
    run: `waits (${text})`,
    runUntil: (time) => `waits until ${time} (${text})`,
    advice: '',
  }
}

function waitFor(what: string): Wait {
  return WAITS.get(what) ?? unknownWait(what)
}

/** What a run as a whole waits for, why and until when; undefined while it goes on, or does so in a moment. */
export function waitText(run: Run, now: Date): string | undefined {
  const reason = waitReason(run, now)
  if (reason === undefined || run.waiting === null) return undefined
  const { for: what, until } = run.waiting
  const { run: text, runUntil, advice } = waitFor(what)
  // An instant that has passed, or is about to, is one of a poll: counting those says nothing.
  const far = until !== null && until.getTime() - now.getTime() > LONG_WAIT_MS
  return `${far ? runUntil(clockTime(until, now)) : text}: ${withAdvice(reason, advice)}`
}

/** The reason alone, by which one wait is told from the next. */
export function waitReason(run: Run | undefined, now: Date): string | undefined {
  if (run === undefined || run.waiting === null || run.finished_at !== null) return undefined
  const { for: what, until, reason } = run.waiting
  // One item may wait for a slot or a key while others go on; what else is waited for stops them all.
  const whole =
    what === 'quota' || what === 'key' ? run.status === 'waiting_quota' || run.status === 'blocked' : true
  return whole && isLongWait(what, until, now) ? withoutControls(reason) : undefined
}

/** @returns the text for an item that waits for `what` */
export function itemWaitText(what: string | null): string {
  return what === null ? 'waiting' : waitFor(what).item
}

export function isLongWait(what: string | null, until: Date | null, now: Date): boolean {
  if (what !== 'quota' || until === null) return what !== null
  return until.getTime() - now.getTime() > LONG_WAIT_MS
}
