/** One total time for everything that a request does, combined with the caller's signal. */
export interface Deadline {
  /** Aborts when the time is over or the caller aborts. */
  readonly signal: AbortSignal
  /** Whether the time is over; false when the caller aborted. */
  readonly isOver: () => boolean
  /** Waits for a promise that cannot be aborted; rejects as soon as `signal` aborts. */
  race<T>(promise: Promise<T>): Promise<T>
  /** Releases the timer and the caller's signal. */
  end(): void
}

/**
 * Starts a deadline of `timeoutMs`. It does not use AbortSignal.any, which in Node 20 keeps the signals of a request alive for
 * as long as the caller's signal lives.
 */
export function startDeadline(timeoutMs: number, callerSignal?: AbortSignal): Deadline {
  const controller = new AbortController()
  let over = false
  const timer = setTimeout(() => {
    over = true
    controller.abort()
  }, timeoutMs)
  const follow = () => controller.abort()
  callerSignal?.addEventListener('abort', follow, { once: true })
  if (callerSignal?.aborted === true) follow()
  return {
    signal: controller.signal,
    isOver: () => over,
    async race(promise) {
      const { signal } = controller
      const released = new AbortController()
      const aborted = new Promise<never>((_resolve, reject) => {
        const stop = () => reject(new Error('aborted'))
        if (signal.aborted) stop()
        signal.addEventListener('abort', stop, { signal: released.signal })
      })
      try {
        return await Promise.race([promise, aborted])
      } finally {
        released.abort()
      }
    },
    end() {
      clearTimeout(timer)
      callerSignal?.removeEventListener('abort', follow)
    },
  }
}
