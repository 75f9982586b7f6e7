import type { Refusal } from '@stockpile/domain/refusal'
import type { Wait } from '@stockpile/domain/waiting'
import type { ClosedGate } from '@stockpile/db/ledger'
import { outageReason } from './outage-backoff.js'

/** No request may be sent now, for this item or for any: the item is snoozed, which costs no attempt. */
export class QuotaWaitError extends Error {
  override readonly name = 'QuotaWaitError'
  readonly wait: Wait
  /** What the provider refused; null when no request was sent for this item. */
  readonly refusal: Refusal | null
  /** Whether the item's job goes behind the others: its request was not answered, and another symbol's may be. */
  readonly isBehind: boolean
  constructor(wait: Wait, { refusal, isBehind }: { refusal?: Refusal; isBehind?: boolean } = {}) {
    super(wait.reason)
    this.wait = wait
    this.refusal = refusal ?? null
    this.isBehind = isBehind ?? false
  }
}

/** What a worker waits for while the ledger reserves no slot. */
export function waitOf(closed: ClosedGate): Wait {
  const { waitMs: ms } = closed
  if (closed.reason === 'key') return { for: 'key', reason: closed.detail, ms, refused: false }
  if (closed.reason === 'outage')
    return { for: 'provider', reason: outageReason(closed.detail), ms, refused: false }
  if (closed.reason === 'storage') return { for: 'storage', reason: closed.detail, ms, refused: false }
  const reason =
    closed.reason === 'blocked' ? closed.detail : `The requests of this ${closed.reason} are spent.`
  return { for: closed.reason === 'second' ? null : 'quota', reason, ms, refused: false }
}
