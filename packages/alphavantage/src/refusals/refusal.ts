import { Refusal } from '@stockpile/domain/refusal'
import type { Disposition } from '@stockpile/domain/refusal'
import { storableText } from '../text/storable.js'
import { DISPOSITIONS } from './dispositions.js'
import type { RefusalClass } from './dispositions.js'

/** How much of the provider's own words is kept, in characters. */
const MAX_EVIDENCE = 2_048

/** How a page of HTML begins, such as a proxy's login, which is no answer of the provider. No series begins so, in JSON or CSV. */
const PAGE = /^[\s\uFEFF]*</

/** Details of an AlphaVantageError. What is left out is null; a disposition that is left out is the table's. */
export interface ErrorDetails {
  httpStatus?: number | null
  evidence?: string | null
  disposition?: Disposition
  /** False when nothing can have reached the provider; true by default. */
  sent?: boolean
}

/**
 * A request that brought no series. Message and evidence are not redacted here: whoever takes them from the provider's words
 * redacts them first, as client/errors.ts does.
 */
export class AlphaVantageError extends Refusal {
  override readonly name = 'AlphaVantageError'
  declare readonly class: RefusalClass

  constructor(refusal: RefusalClass, message: string, { evidence, ...details }: ErrorDetails = {}) {
    const kept = storableText((evidence ?? '').slice(0, MAX_EVIDENCE))
    const row = DISPOSITIONS[refusal]
    super({
      ...details,
      class: refusal,
      row,
      scope: refusal === 'bad_payload' && PAGE.test(kept) ? 'provider' : row.scope,
      message: storableText(message),
      evidence: kept === '' ? null : kept,
    })
  }
}
