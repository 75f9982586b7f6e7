import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { outlastRefusal, TWO_WORKERS } from '../pause.js'

const PAUSE_S = 6

export const upstreamThrottled: Row = {
  number: 22,
  title: '429 with Retry-After: everything waits that long, the run shows waiting_quota, no attempt is spent',
  backends: BACKENDS,
  quick: true,
  world: TWO_WORKERS,
  async run(world) {
    const headers = { 'retry-after': String(PAUSE_S) }
    return {
      recoveryMs: await outlastRefusal(world, { kind: 'status', status: 429, headers }, PAUSE_S * 1_000),
    }
  },
}
