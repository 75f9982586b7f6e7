import { adviceOn } from '@stockpile/domain/refusal'
import type { Refusal, Remembered } from '@stockpile/domain/refusal'
import type { Failure, FailureAnswers } from '@stockpile/domain/failure'
import { storageAdvice } from '@stockpile/db/storage-trouble'
import type { FetchedOutputsize } from '@stockpile/domain/run'
import type { RejectedRow } from '@stockpile/domain/bar'
import type { StorageTimeoutError } from './keep-answer.js'

/** A body of which no row could be stored: a success that brought nothing would hide it. */
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

/** What the provider answers is known from another item, and nobody insists on another answer. */
export class KnownFailureError extends Error {
  override readonly name = 'KnownFailureError'
  readonly failureId: number
  constructor(failureId: number) {
    super(`failure ${failureId} answers for this request`)
    this.failureId = failureId
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

/** What was asked of the provider, by which advice and memory go. */
export interface Asked {
  /** Null before anything was. */
  outputsize: FetchedOutputsize | null
}

/** What a refusal of the provider is recorded as. */
export function failureOf(error: Refusal, asked: Asked, viaProxy: boolean): Failure {
  return {
    class: error.class,
    detail: error.message,
    advice: adviceOn(error.row, { outputsize: asked.outputsize, viaProxy }),
    httpStatus: error.httpStatus,
    evidence: error.evidence,
  }
}

/** Which requests a final refusal answers for. */
export function answersOf(error: Refusal | AllRowsRejectedError, asked: Asked): FailureAnswers | null {
  // Fewer or more rows may be sound.
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
