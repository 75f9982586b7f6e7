// Refusals: what a provider answers in place of data, and what follows from each class of refusal.

import type { LimitName } from './limit.js'
import type { FetchedOutputsize } from './run.js'

/**
 * Which requests a refusal is true of: only the refused request (`item`); all requests for its function and outputsize with
 * its key (`access`); all requests with its key, until the key is replaced (`key`) or for a while (`everything`); or the
 * requests of everybody, since the provider itself gave no answer (`provider`).
 */
export const REFUSAL_SCOPES = ['item', 'access', 'key', 'everything', 'provider'] as const
export type RefusalScope = (typeof REFUSAL_SCOPES)[number]

/** Classes of refusals that come from the transport of a request. Every provider's client uses these names. */
export type TransportClass =
  | 'network'
  | 'timeout'
  | 'http_error'
  | 'http_rejected'
  | 'redirect'
  | 'throttled'
  | 'bad_payload'
  | 'too_large'

/**
 * What a refusal makes the worker do with the item. `retry`: make another attempt after a backoff, until `maxAttempts` are
 * made, the first attempt included. `snooze`: send another request after `waitMs`, which costs no attempt; when the provider
 * refuses that request alike, `again` replaces the refusal. `fail`: give up, since the answer would be no other.
 */
export type Disposition =
  | { action: 'retry'; maxAttempts: number }
  | { action: 'snooze'; waitMs: number; again?: Refusal }
  | { action: 'fail' }

/**
 * Which requests are not sent for a day after an item failed by a refusal, unless a person insists (`force`, or a retry):
 * all for the symbol (`symbol`), or those for the symbol with the refused outputsize (`outputsize`). Null holds back no
 * request, since the answer may change at any time, or says nothing about the symbol.
 */
export type Remembered = 'symbol' | 'outputsize' | null

/**
 * Whether a request for the newest rows follows a refused request for the full history: always, only when the item leaves
 * the outputsize to Stockpile (`auto`), or never (null).
 */
export type CompactFallback = 'always' | 'auto' | null

/** One row of a provider's table of refusals: what a class of refusal means, and everything that the class leads to. */
export interface RefusalRow {
  /** A sentence that says what happened. */
  readonly meaning: string
  /** A sentence that says what a person should do. */
  readonly advice: string
  /** Returns a further sentence of advice that depends on what was sent, or null; null for a class without such advice. */
  readonly moreAdvice: ((sent: SentRequest) => string | null) | null
  readonly disposition: Disposition
  readonly scope: RefusalScope
  /** The limit that is spent, for a refusal of scope `everything`; null when the refusal names no limit. */
  readonly limit: LimitName | null
  readonly remembered: Remembered
  readonly compactFallback: CompactFallback
}

/** How the refused request was sent, as far as the advice depends on it. */
export interface SentRequest {
  /** Null when no request was sent. */
  outputsize: FetchedOutputsize | null
  /** Whether the request went through a proxy. */
  viaProxy: boolean
}

/** Returns what a person should do about a refusal of a request that was sent in this way. */
export function adviceOn({ advice, moreAdvice }: RefusalRow, sent: SentRequest): string {
  const more = moreAdvice?.(sent) ?? null
  return more === null ? advice : `${advice} ${more}`
}

/** What the package of a provider tells of one request that brought no series. */
export interface RefusalFields {
  class: string
  /** The row of the class. */
  row: RefusalRow
  /** A sentence that begins with the symbol and does not hold the key. */
  message: string
  /** Replaces the disposition of the row. */
  disposition?: Disposition | undefined
  /** Replaces the scope of the row. */
  scope?: RefusalScope | undefined
  httpStatus?: number | null | undefined
  /** The beginning of the provider's answer, without the key and fit for a text column. */
  evidence?: string | null | undefined
  /** False when the request cannot have reached the provider, so that no quota was spent; true by default. */
  sent?: boolean | undefined
}

/**
 * Says that a request brought no series: the provider refused it, or it was lost on the way. A refusal has no `cause`, since
 * the errors of HTTP libraries quote the URL, which holds the key.
 */
export class Refusal extends Error {
  readonly class: string
  readonly disposition: Disposition
  readonly httpStatus: number | null
  /** False when the request cannot have reached the provider, so that no quota was spent. */
  readonly sent: boolean
  /** The beginning of the provider's answer, without the key and fit for a text column. */
  readonly evidence: string | null
  // The field is private, so that a logged refusal does not print the whole row.
  readonly #row: RefusalRow
  readonly #scope: RefusalScope

  constructor(fields: RefusalFields) {
    const { row } = fields
    super(fields.message)
    this.class = fields.class
    this.disposition = fields.disposition ?? row.disposition
    this.httpStatus = fields.httpStatus ?? null
    this.sent = fields.sent ?? true
    this.evidence = fields.evidence ?? null
    this.#row = row
    this.#scope = fields.scope ?? row.scope
  }

  get row(): RefusalRow {
    return this.#row
  }

  get scope(): RefusalScope {
    return this.#scope
  }
}
