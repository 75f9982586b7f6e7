// Limits: how many requests a plan allows, in which window.

/** The windows in which a provider counts the requests of a key. */
export const LIMIT_NAMES = ['second', 'minute', 'day'] as const
export type LimitName = (typeof LIMIT_NAMES)[number]

/** Allows at most `max` requests in any window of `windowMs`; a `max` of 0 is no limit. Stored as JSON with these field names. */
export interface Limit {
  name: LimitName
  max: number
  windowMs: number
  /** Milliseconds added to the window, since requests may arrive closer together than they were sent. */
  marginMs: number
}

/** How many requests a plan of a provider allows. */
export interface PlanLimits {
  /** Requests in any second; 0: no limit. */
  perSecond: number
  /** Requests in any 60 seconds; 0: no limit. */
  perMinute: number
  /** Requests in any 24 hours; 0: no limit. */
  perDay: number
}
