/** How long a client may take, and how long it may have to wait, in milliseconds. */
export interface Timeouts {
  /** The whole request has to arrive within this time. */
  requestMs: number
  /** The headers have to arrive within this time; it must be less than `requestMs`, or a trickled body is never closed. */
  headersMs: number
  /** How often the times are checked. */
  checkMs: number
  /** The client has to take each 32 KiB of an answer within this time. */
  readMs: number
  /** The client of an export has to take each 32 KiB within this time while others wait for its place. */
  stallMs: number
  /**
   * The answer has to begin within this time, else it is 503. It exceeds the statement timeout, which ends the work itself.
   */
  handlerMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  requestMs: 30_000,
  headersMs: 10_000,
  checkMs: 1_000,
  readMs: 30_000,
  stallMs: 3_000,
  handlerMs: 15_000,
}
