import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { outlastRefusal, TWO_WORKERS } from '../pause.js'

const BURST_PAUSE_MS = 2_500
const MINUTE_PAUSE_MS = 60_000

export const upstreamLimits: Row = {
  number: 23,
  title: '200 with a burst or minute refusal: everything waits for it; never succeeded with 0 rows',
  backends: BACKENDS,
  world: TWO_WORKERS,
  async run(world) {
    await outlastRefusal(world, { kind: 'refusal', refusal: 'burst_limit' }, BURST_PAUSE_MS)
    return {
      recoveryMs: await outlastRefusal(world, { kind: 'refusal', refusal: 'minute_limit' }, MINUTE_PAUSE_MS),
    }
  },
}
