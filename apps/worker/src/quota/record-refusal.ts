import type { Provider } from '@stockpile/domain/provider'
import type { Refusal } from '@stockpile/domain/refusal'
import type { Connection } from '@stockpile/db/connection'
import { blockUntil, recordDailyRefusal, refuseAccess } from '@stockpile/db/ledger-refusals'
import { limitsText } from '@stockpile/db/limits'
import type { Logger } from 'pino'
import type { Limit, LimitName } from '@stockpile/domain/limit'
import { withoutSymbol } from './outage-backoff.js'
import { asksToSlowDown } from './slowdown.js'

interface Dependencies {
  db: Connection['db']
  provider: Pick<Provider, 'requestsPerDayIn'>
  plan: string
  limits: readonly Limit[]
  logger: Logger
}

/**
 * Says why everything waits after a refusal. When a server asks to slow down that is the refusal's message, which says for
 * how long the server asked, and for how long it is believed.
 */
export function blockReason(error: Refusal, symbol: string): string {
  return asksToSlowDown(error) ? withoutSymbol(error, symbol) : error.row.meaning
}

/**
 * Records in the ledger what a refusal means for later requests, for all workers with this key and across restarts: the
 * provider's answer overrules what the ledger has counted. A refusal that concerns one symbol alone records nothing.
 * @param request.id the id of the refused request in the ledger
 * @param request.fingerprint the fingerprint of its key
 */
export async function recordRefusal(
  { db, provider, plan, limits, logger }: Dependencies,
  { id, fingerprint, symbol }: { id: number; fingerprint: string; symbol: string },
  error: Refusal,
): Promise<void> {
  const refusal = error.class
  const detail = blockReason(error, symbol)
  if (error.row.limit === 'day') {
    const saidPerDay = provider.requestsPerDayIn(error.evidence ?? '')
    if (contradicts(saidPerDay, limits)) {
      const says = `the provider says ${saidPerDay} requests a day; the plan ${plan} says ${limitsText(limits)}`
      logger.warn({ plan }, `${says}: check ALPHAVANTAGE_PLAN`)
    }
    await recordDailyRefusal(db, fingerprint, { class: refusal, limits, saidPerDay, detail })
  } else if (error.scope === 'key' || error.scope === 'access') {
    await refuseAccess(db, id, { class: refusal, detail })
  } else if (error.disposition.action === 'snooze') {
    await blockUntil(db, fingerprint, {
      class: refusal,
      detail,
      ms: pauseMs(error.row.limit, error.disposition.waitMs, limits),
    })
  }
}

function contradicts(saidPerDay: number | null, limits: readonly Limit[]): saidPerDay is number {
  const planned = limits.find((limit) => limit.name === 'day')?.max ?? 0
  return saidPerDay !== null && saidPerDay !== planned
}

/** Computes for how long, in milliseconds, nothing is sent: after a minute's limit for as long as this plan's minute lasts. */
function pauseMs(spent: LimitName | null, waitMs: number, limits: readonly Limit[]): number {
  const minute = limits.find((limit) => limit.name === 'minute')
  return spent === 'minute' && minute !== undefined ? minute.windowMs + minute.marginMs : waitMs
}
