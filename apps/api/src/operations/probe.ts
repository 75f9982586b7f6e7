import { LATE, within } from '@stockpile/time/wait'

/**
 * Makes a check that answers in time. One is under way at a time: who asks meanwhile shares it, so that
 * probes of something that hangs do not pile up.
 * @returns what the check found, or undefined when it failed or is not done within the deadline
 */
export function createProbe<Found>(
  check: () => Promise<Found>,
  deadlineMs: number,
): () => Promise<Found | undefined> {
  let pending: Promise<Found | undefined> | undefined

  function start(): Promise<Found | undefined> {
    const found = check().catch(() => undefined)
    return found.finally(() => {
      pending = undefined
    })
  }

  return async () => {
    pending ??= start()
    const found = await within(pending, deadlineMs)
    return found === LATE ? undefined : found
  }
}
