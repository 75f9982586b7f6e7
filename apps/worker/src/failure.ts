import { DISPOSITIONS } from '@stockpile/alphavantage/refusal'
import type { AlphaVantageError } from '@stockpile/alphavantage/refusal'
import type { Failure, RejectedRow } from '@stockpile/db/items'
import { storageAdvice } from '@stockpile/db/storage-trouble'
import type { StorageTimeoutError } from './answer-keeper.js'

/** A body of which no row could be stored: a success that brought nothing would hide it. */
export class AllRowsRejectedError extends Error {
  override readonly name = 'AllRowsRejectedError'
  readonly rejected: readonly RejectedRow[]
  constructor(rejected: readonly RejectedRow[]) {
    super(`all ${rejected.length} rows of the answer were rejected`)
    this.rejected = rejected
  }
}

/** An item that kills its worker again and again. */
export class PoisonError extends Error {
  override readonly name = 'PoisonError'
  constructor(losses: number) {
    super(
      `its worker was lost while it worked on it beside others, and ${losses} more times while it worked on nothing else`,
    )
  }
}

/** What a refusal of the provider is recorded as. */
export function failureOf(error: AlphaVantageError): Failure {
  return {
    class: error.class,
    detail: error.message,
    advice: DISPOSITIONS[error.class].advice,
    httpStatus: error.httpStatus,
    evidence: error.evidence,
  }
}

export function allRowsRejected(error: AllRowsRejectedError): Failure {
  return {
    class: 'all_rows_rejected',
    detail: `${error.message}.`,
    advice: 'Look at the rows and their reasons under /api/rejected_rows.',
    httpStatus: null,
    evidence: null,
  }
}

export function poison(error: PoisonError): Failure {
  return {
    class: 'poison',
    detail: `${error.message}.`,
    advice: "Look for what ended the worker (its log, the kernel's: memory?), then retry the run.",
    httpStatus: null,
    evidence: null,
  }
}

export function storageTimeout(error: StorageTimeoutError): Failure {
  return {
    class: 'storage_timeout',
    detail: error.message,
    advice: `${storageAdvice('too_slow')} Then retry the run.`,
    httpStatus: null,
    evidence: null,
  }
}

/** Not the provider's doing: a defect of ours, or a statement that PostgreSQL refused. */
export function internalFailure(error: unknown): Failure {
  return {
    class: 'internal',
    detail: error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown value was thrown',
    advice: "Look at the worker's log; if it is not the configuration, it is a defect of Stockpile.",
    httpStatus: null,
    evidence: null,
  }
}
