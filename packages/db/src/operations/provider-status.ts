import { isUnheard } from './causes.js'
import type { Cause } from './causes.js'

export const PROVIDER_STATUSES = [
  'up',
  'waiting_quota',
  'waiting_key',
  'unreachable',
  'failing',
  'unknown',
] as const
export type ProviderStatus = (typeof PROVIDER_STATUSES)[number]

/** Whether the provider can be asked now, as far as is known; unknown while no worker lives that would ask. */
export function providerStatus(causes: readonly Cause[]): ProviderStatus {
  const byCause = (what: Cause['for']) => causes.find((cause) => cause.for === what)
  if (byCause('key') !== undefined) return 'waiting_key'
  const outage = byCause('provider')
  if (outage !== undefined) return isUnheard(outage) ? 'unreachable' : 'failing'
  if (byCause('quota') !== undefined) return 'waiting_quota'
  return byCause('worker') === undefined ? 'up' : 'unknown'
}
