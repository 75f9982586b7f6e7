/** How long a client may take, and how long it may have to wait. Milliseconds. */
export interface Timeouts {
  /** For the whole request to arrive. */
  requestMs: number
  /** For its headers to arrive; must be less than `requestMs`, or a trickled body is never closed. */
  headersMs: number
  /** How often these are looked at. */
  checkMs: number
  /** For the client to take 32 KiB of an answer, again and again until it has it. */
  readMs: number
  /** For the client of an export to take its next 32 KiB while others wait for its place. */
  stallMs: number
  /** For the answer to a whole request to be made; then 503. Above the statement timeout, which ends the work itself. */
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
