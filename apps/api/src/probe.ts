import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Makes a check that answers in time. One is under way at a time: who asks meanwhile shares it, so that
 * probes of something that hangs do not pile up.
 * @returns whether the check passed within the deadline
 */
export function createProbe(check: () => Promise<void>, deadlineMs: number): () => Promise<boolean> {
  let pending: Promise<boolean> | undefined

  function start(): Promise<boolean> {
    const passed = check().then(
      () => true,
      () => false,
    )
    return passed.finally(() => {
      pending = undefined
    })
  }

  return async () => {
    pending ??= start()
    const timer = new AbortController()
    const late = sleep(deadlineMs, false, { signal: timer.signal }).catch(() => false)
    try {
      return await Promise.race([pending, late])
    } finally {
      timer.abort()
    }
  }
}
