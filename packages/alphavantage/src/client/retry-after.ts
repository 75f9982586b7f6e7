const MIN_WAIT_MS = 1_000
export const MAX_WAIT_MS = 3_600_000
/** How long a first answer with the header is believed: it may be a proxy's, which must not stop everything for an hour. */
export const FIRST_WAIT_MS = 60_000

/**
 * Reads a Retry-After header (RFC 9110 10.2.3: seconds, or an HTTP date).
 * @returns milliseconds to wait from `now`, at least a second and at most an hour, so that a wrong header stops nothing for
 *   good; null when the header cannot be read
 */
export function parseRetryAfter(header: string | null, now: Date): number | null {
  const text = header?.trim() ?? ''
  const waitMs = /^\d+$/.test(text)
    ? Number(text) * 1_000
    : HTTP_DATE.test(text)
      ? Date.parse(text) - now.getTime()
      : Number.NaN
  return Number.isNaN(waitMs) ? null : Math.min(Math.max(waitMs, MIN_WAIT_MS), MAX_WAIT_MS)
}

/** All three forms of an HTTP date begin with the name of a day. Without this check Date.parse would take `-5` for a year. */
const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)/
