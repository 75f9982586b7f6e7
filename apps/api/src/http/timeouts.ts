/** How long a client may take, and how long it may have to wait, in milliseconds. */
export interface Timeouts {
  /** The whole request has to arrive within this time. */
  requestMs: number
  /** The headers have to arrive within this time; it must be less than `requestMs`, or a trickled body is never closed. */
  headersMs: number
  /** The interval at which `requestMs`, `headersMs`, `readMs` and `handlerMs` are checked. */
  checkMs: number
  /** The client has to take each 32 KiB of an answer within this time. */
  readMs: number
  /** An export whose client has taken nothing for this long loses its place when another export needs one. */
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
