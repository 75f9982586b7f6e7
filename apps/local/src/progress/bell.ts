import { setTimeout as sleep } from 'node:timers/promises'

export interface Bell {
  ring(): void
  /** Resolves once it rings, at once when it rang since the last time, or after `withinMs`. Rejects when `signal` aborts. */
  heard(withinMs: number | undefined, signal: AbortSignal): Promise<void>
}

export function createBell(): Bell {
  let rang = false
  let wake: (() => void) | undefined
  return {
    ring() {
      rang = true
      wake?.()
    },
    async heard(withinMs, signal) {
      const over = new AbortController()
      // Not AbortSignal.any: Node 20 may collect what it returns while somebody waits for it.
      const stop = () => over.abort()
      signal.addEventListener('abort', stop, { once: true })
      const patience = withinMs ?? 2 ** 31 - 1
      try {
        signal.throwIfAborted()
        const timer = sleep(patience, undefined, { signal: over.signal })
        const ringing = new Promise<void>((resolve) => {
          wake = resolve
        })
        if (!rang) await Promise.race([timer, ringing])
        timer.catch(() => {})
        signal.throwIfAborted()
        rang = false
      } finally {
        signal.removeEventListener('abort', stop)
        over.abort()
      }
    },
  }
}
