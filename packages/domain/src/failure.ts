/** What is recorded of an attempt that failed, and shown wherever a failure is shown. */
export interface Failure {
  /** A stable code: the class of the refusal, or one of Stockpile's own. */
  class: string
  /** A sentence that says what happened. */
  detail: string
  /** A sentence that says what a person should do. */
  advice: string
  /** The status of the provider's response; null without a response. */
  httpStatus: number | null
  /** What the provider answered, without the key; null without an answer. */
  evidence: string | null
}

/** Which requests a final failure answers for, so that they need not be sent: all of the symbol, or those of one outputsize. */
export const FAILURE_ANSWERS = ['symbol', 'compact', 'full'] as const
export type FailureAnswers = (typeof FAILURE_ANSWERS)[number]
