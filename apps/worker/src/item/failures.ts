import { adviceOn } from '@stockpile/domain/refusal'
import type { Refusal, Remembered } from '@stockpile/domain/refusal'
import type { Failure, FailureAnswers } from '@stockpile/domain/failure'
import { storageAdvice } from '@stockpile/db/storage-trouble'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { RejectedRow } from '@stockpile/domain/bar'
import type { StorageTimeoutError } from './keep-answer.js'

/** Thrown for a body of which no row could be stored, since a success that brought nothing would hide the defect. */
export class AllRowsRejectedError extends Error {
  override readonly name = 'AllRowsRejectedError'
  readonly rejected: readonly RejectedRow[]
  readonly dropped: number
  /** @param dropped how many more were rejected than are kept */
  constructor(rejected: readonly RejectedRow[], dropped: number) {
    super(`all ${rejected.length + dropped} rows of the answer were rejected`)
    this.rejected = rejected
    this.dropped = dropped
  }
}

/** Thrown in place of a request whose answer is known from another item's failure, when nobody insists on another answer. */
export class KnownFailureError extends Error {
  override readonly name = 'KnownFailureError'
  readonly failureId: number
  constructor(failureId: number) {
    super(`failure ${failureId} answers for this request`)
    this.failureId = failureId
  }
}

/** Thrown for an item that kills its worker again and again. */
export class PoisonError extends Error {
  override readonly name = 'PoisonError'
  constructor(losses: number) {
    super(
      `its worker was lost while it worked on it beside others, and ${losses} more times while it worked on nothing else`,
    )
  }
}

/** What was asked of the provider; the advice and the requests that a failure answers for depend on it. */
export interface Asked {
  /** Null before anything was asked for. */
  outputsize: FetchedOutputsize | null
}

/** Makes the record of a refusal of the provider. */
export function failureOf(error: Refusal, asked: Asked, viaProxy: boolean): Failure {
  return {
    class: error.class,
    detail: error.message,
    advice: adviceOn(error.row, { outputsize: asked.outputsize, viaProxy }),
    httpStatus: error.httpStatus,
    evidence: error.evidence,
  }
}

/** Says which requests a final refusal answers for; null: none. */
export function answersOf(error: Refusal | AllRowsRejectedError, asked: Asked): FailureAnswers | null {
  // A request with the other outputsize may bring sound rows, so only this outputsize is remembered.
  const remembered: Remembered = error instanceof AllRowsRejectedError ? 'outputsize' : error.row.remembered
  return remembered === 'outputsize' ? asked.outputsize : remembered
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
    advice: `${storageAdvice(error.trouble.class)} Then retry the run.`,
    httpStatus: null,
    evidence: null,
  }
}

/** Makes the record of an error that is not the provider's: a defect of Stockpile, or a statement that PostgreSQL refused. */
export function internalFailure(error: unknown): Failure {
  return {
    class: 'internal',
    detail: error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown value was thrown',
    advice: "Look at the worker's log; if it is not the configuration, it is a defect of Stockpile.",
    httpStatus: null,
    evidence: null,
  }
}
