import type { Plan } from '@stockpile/domain/plan'
import type { Provider } from '@stockpile/domain/provider'
import { createClient } from './client/client.js'
import { openTransport } from './client/transport.js'
import { warmUp } from './client/warm-up.js'
import { PLAN_TABLE } from './plan.js'
import { DISPOSITIONS, isRefusalClass } from './refusals/dispositions.js'
import { AlphaVantageError } from './refusals/refusal.js'
import { requestsPerDayIn } from './refusals/wording.js'
import { redactorOf } from './text/redact.js'

/** Alpha Vantage, as the worker needs it. */
export const alphaVantage = {
  name: 'Alpha Vantage',
  plans: PLAN_TABLE,
  windows: { compact: 100, full: null },
  dailySeries: 'TIME_SERIES_DAILY',
  refusals: DISPOSITIONS,
  // A class that is not of this version was stored by a later one, of what the key may not have.
  recall: (stored, message) =>
    new AlphaVantageError(isRefusalClass(stored) ? stored : 'entitlement', message, { sent: false }),
  requestsPerDayIn,
  redactorOf,
  connect({ baseUrl, proxy }) {
    const transport = openTransport(baseUrl, proxy)
    return {
      viaProxy: transport.viaProxy,
      clientFor: (apiKey) => createClient({ baseUrl, apiKey: () => apiKey, transport }),
      close: () => transport.close(),
    }
  },
  warmUp,
} satisfies Provider<Plan>
