import { BACKENDS } from '../../environment/backends.js'
import { outlastRefusal, TWO_WORKERS } from '../../steps/outlast-refusal.js'
import type { Scenario } from '../scenario.js'

const PAUSE_S = 6

export const upstreamThrottled: Scenario = {
  number: 22,
  title: '429 with Retry-After: everything waits that long, the run shows waiting_quota, no attempt is spent',
  backends: BACKENDS,
  quick: true,
  environment: TWO_WORKERS,
  async run(environment) {
    const headers = { 'retry-after': String(PAUSE_S) }
    return {
      recoveryMs: await outlastRefusal(
        environment,
        { kind: 'status', status: 429, headers },
        PAUSE_S * 1_000,
      ),
    }
  },
}
