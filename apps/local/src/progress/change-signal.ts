import { within } from '@stockpile/time/wait'
import { deferred } from '../promises.js'

/** Tells one waiter that something may have changed, also when it changed before the waiter came. */
export interface ChangeSignal {
  raise(): void
  /**
   * Resolves when the signal is raised, at once when it was raised since the last time, or after `withinMs` milliseconds;
   * undefined: no deadline. Rejects when `signal` aborts.
   */
  next(withinMs: number | undefined, signal: AbortSignal): Promise<void>
}

export function createChangeSignal(): ChangeSignal {
  let isRaised = false
  let wake: (() => void) | undefined
  return {
    raise() {
      isRaised = true
      wake?.()
    },
    async next(withinMs, signal) {
      signal.throwIfAborted()
      const { promise: woken, resolve } = deferred<void>()
      wake = () => resolve()
      signal.addEventListener('abort', wake, { once: true })
      try {
        if (!isRaised) await (withinMs === undefined ? woken : within(woken, withinMs))
        signal.throwIfAborted()
        isRaised = false
      } finally {
        signal.removeEventListener('abort', wake)
      }
    },
  }
}
