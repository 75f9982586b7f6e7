import { BACKENDS } from '../../environment/backends.js'
import { outlastRefusal, TWO_WORKERS } from '../../steps/outlast-refusal.js'
import type { Scenario } from '../scenario.js'

const BURST_PAUSE_MS = 2_500
const MINUTE_PAUSE_MS = 60_000

export const upstreamLimits: Scenario = {
  number: 23,
  title: '200 with a burst or minute refusal: everything waits for it; never succeeded with 0 rows',
  backends: BACKENDS,
  environment: TWO_WORKERS,
  async run(environment) {
    await outlastRefusal(environment, { kind: 'refusal', refusal: 'burst_limit' }, BURST_PAUSE_MS)
    return {
      recoveryMs: await outlastRefusal(
        environment,
        { kind: 'refusal', refusal: 'minute_limit' },
        MINUTE_PAUSE_MS,
      ),
    }
  },
}
