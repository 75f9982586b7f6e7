import { SentenceError } from '@stockpile/db/error-sentence'

/** A signal ended the command before its work was done. */
export class InterruptedError extends SentenceError {
  override readonly name = 'InterruptedError'
  readonly signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`Interrupted (${signal}): what was begun is undone, so start it again.`)
    this.signal = signal
  }
}
