import type { Run } from './api.js'
import { clockTime } from './clock-time.js'
import { withAdvice, withoutControls } from '../programs/log-line.js'

/** A wait for room in the quota that is shorter is the normal way to keep a limit, and not worth a line. */
const LONG_WAIT_MS = 10_000

interface Wait {
  /** The line of an item. */
  item: string
  /** The line of a run of which nobody knows until when it waits. */
  run: string
  /** The line of a run that goes on, or is tried again, at a known time. */
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

/** What a whole run waits for, why and until when; undefined while the run goes on, or will do so in a moment. */
export function waitText(run: Run, now: Date): string | undefined {
  const reason = waitReason(run, now)
  if (reason === undefined || run.waiting === null) return undefined
  const { for: what, until } = run.waiting
  const { run: text, runUntil, advice } = waitFor(what)
  // An instant in the past or in the next seconds is that of a poll, which says nothing of the end of the wait.
  const far = until !== null && until.getTime() - now.getTime() > LONG_WAIT_MS
  return `${far ? runUntil(clockTime(until, now)) : text}: ${withAdvice(reason, advice)}`
}

/** Why a whole run waits, which tells one wait from the next; undefined while the run goes on, or has finished. */
export function waitReason(run: Run | undefined, now: Date): string | undefined {
  if (run === undefined || run.waiting === null || run.finished_at !== null) return undefined
  const { for: what, until, reason } = run.waiting
  // An item may wait for a slot or a key while other items go on; every other wait stops all items.
  const whole =
    what === 'quota' || what === 'key' ? run.status === 'waiting_quota' || run.status === 'blocked' : true
  return whole && isLongWait(what, until, now) ? withoutControls(reason) : undefined
}

/** The line of an item that waits for `what`; null: for its turn. */
export function itemWaitText(what: string | null): string {
  return what === null ? 'waiting' : waitFor(what).item
}

/** Whether a wait is worth a line: every wait but a short one for room in the quota. */
export function isLongWait(what: string | null, until: Date | null, now: Date): boolean {
  if (what !== 'quota' || until === null) return what !== null
  return until.getTime() - now.getTime() > LONG_WAIT_MS
}
