import type { LimitName } from './limit.js'
import type { FetchedOutputsize } from './run.js'

/**
 * Which requests a refusal speaks of: the refused one alone (`item`); all for the same function and outputsize with the
 * same key (`access`); all with the same key, until it is replaced (`key`); all with the same key, for a while
 * (`everything`); or all of everybody, since the provider itself gave no answer (`provider`).
 */
export const REFUSAL_SCOPES = ['item', 'access', 'key', 'everything', 'provider'] as const
export type RefusalScope = (typeof REFUSAL_SCOPES)[number]

/** Classes of what happens to a request on its way, which every provider's client names alike. */
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
 * What a refusal makes the worker do with the item. `retry`: another attempt after a backoff, at most `maxAttempts` in
 * all, the first included. `snooze`: another request after `waitMs`, which costs no attempt; when the provider refuses
 * that one alike, `again` replaces the refusal. `fail`: no other answer is to be expected.
 */
export type Disposition =
  | { action: 'retry'; maxAttempts: number }
  | { action: 'snooze'; waitMs: number; again?: Refusal }
  | { action: 'fail' }

/**
 * Which requests are not sent for a day after an item failed for a refusal, unless a person insists (`force`, or a
 * retry): all for the symbol, those for the symbol with the same outputsize, or none (null), since another answer may
 * come at any time, or the answer says nothing about the symbol.
 */
export type Remembered = 'symbol' | 'outputsize' | null

/**
 * Whether a refused request for the full history is followed by one for the newest rows: always, only where the item
 * leaves the outputsize to Stockpile (`auto`), or never (null).
 */
export type CompactFallback = 'always' | 'auto' | null

/** One row of a provider's table of refusals: what a class means, and everything that follows from it. */
export interface RefusalRow {
  /** A sentence that says what happened. */
  readonly meaning: string
  /** A sentence that says what a person should do. */
  readonly advice: string
  /** A further sentence, fit for what was sent; null where there is none. */
  readonly moreAdvice: ((sent: SentRequest) => string | null) | null
  readonly disposition: Disposition
  readonly scope: RefusalScope
  /** Of scope `everything`: the limit that is spent, or null when the refusal does not name one. */
  readonly limit: LimitName | null
  readonly remembered: Remembered
  readonly compactFallback: CompactFallback
}

/** What the advice on a refusal depends on. */
export interface SentRequest {
  /** Null before anything was asked for. */
  outputsize: FetchedOutputsize | null
  viaProxy: boolean
}

/** Tells what a person should do about a refusal, fit for what was sent. */
export function adviceOn({ advice, moreAdvice }: RefusalRow, sent: SentRequest): string {
  const more = moreAdvice?.(sent) ?? null
  return more === null ? advice : `${advice} ${more}`
}

/** What a provider's package says of one request that brought no series. */
export interface RefusalFields {
  class: string
  /** The row of the class. */
  row: RefusalRow
  /** A sentence that begins with the symbol, in which no key is. */
  message: string
  /** In place of those of the row. */
  disposition?: Disposition | undefined
  scope?: RefusalScope | undefined
  httpStatus?: number | null | undefined
  /** The beginning of the provider's own words, without the key, fit for a text column. */
  evidence?: string | null | undefined
  /** False when nothing can have reached the provider, so that no quota was spent; true by default. */
  sent?: boolean | undefined
}

/**
 * A request that brought no series: refused by the provider, or lost on the way. A refusal has no cause, since errors of
 * HTTP libraries quote the URL, and with the URL the key.
 */
export class Refusal extends Error {
  readonly class: string
  readonly disposition: Disposition
  readonly httpStatus: number | null
  /** False when nothing can have reached the provider, so that no quota was spent. */
  readonly sent: boolean
  /** The beginning of the provider's own words, fit for a text column. */
  readonly evidence: string | null
  // Private, so that a logged refusal does not repeat the whole row.
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
