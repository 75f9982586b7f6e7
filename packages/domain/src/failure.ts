// Failures: what is recorded of an attempt that failed.

/** What is recorded of an item's attempt that failed, and told to people wherever the failure appears. */
export interface Failure {
  /** A stable code: the class of the provider's refusal, or a class of Stockpile's own. */
  class: string
  /** A sentence that says what happened. */
  detail: string
  /** A sentence that says what a person should do. */
  advice: string
  /** The HTTP status of the provider's response; null without a response. */
  httpStatus: number | null
  /** The beginning of the provider's answer, without the key; null without an answer. */
  evidence: string | null
}

/** Which requests need not be sent after a final failure: all for its symbol, or those for its symbol with one outputsize. */
export const FAILURE_ANSWERS = ['symbol', 'compact', 'full'] as const
export type FailureAnswers = (typeof FAILURE_ANSWERS)[number]
