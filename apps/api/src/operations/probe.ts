import { LATE, within } from '@stockpile/time/wait'

/**
 * Makes a check answer in time. Callers share a check that is under way, so that checks of a part that hangs do not pile up.
 * @returns a function that resolves with what the check found, or with undefined when it failed or missed the deadline
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
