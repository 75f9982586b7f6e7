import { deepEqual, equal, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { BACKENDS } from '../../environment/backends.js'
import type { Environment } from '../../environment/environment.js'
import { symbols } from '../../environment/symbols.js'
import { RECOVERY_LIMIT_MS } from '../scenario.js'
import type { Scenario } from '../scenario.js'

const AHEAD_HOURS = 3
const AHEAD_MS = 20_000
const HOUR_MS = 3_600_000
const SETTLED_MS = 5_000

const jump = z.object({
  msg: z.literal("the database's clock was set: the ledger moves along, and no limit is exceeded"),
  jumpMs: z.number(),
})

export const clockJumps: Scenario = {
  number: 44,
  title:
    "the machine's clock jumps three hours ahead for 20 s and back: work goes on within seconds of both, and the log says so",
  // Redis does not start under libfaketime, so it keeps the right time.
  backends: BACKENDS,
  environment: {
    workers: 2,
    ownPostgres: true,
    settableClock: true,
    // A minute allows fewer requests than its 60 seconds together, so a forgotten window would let too many out.
    limits: { perSecond: 2, perMinute: 110, perDay: 0 },
  },
  async run(environment) {
    const { clock, http, simulator, sql, until, drained } = environment
    if (clock === null) return { skipped: 'There is no libfaketime: install faketime.' }
    // This request is older than the jump is long: the ledger must move it back too when the clock comes back.
    const [old] = await sql<{ id: string }[]>`
      INSERT INTO provider_requests (slot_at, outcome) VALUES (now() - interval '5 hours', 'accepted') RETURNING id`
    const all = symbols(130)
    const { id } = await http.ingest(all)
    await until('work', () => simulator.arrivals().length > 10)

    /** Sets the clock and waits for the first request that was not under way already; returns how long it took, in milliseconds. */
    const goesOn = async (ahead: number) => {
      await clock.set(ahead)
      const setAt = performance.now()
      const before = simulator.arrivals().length
      await until(
        'work after the jump',
        () => simulator.arrivals().length > before + environment.limits.perSecond,
      )
      return Math.round(performance.now() - setAt)
    }
    const forthMs = await goesOn(AHEAD_HOURS)
    await sleep(Math.max(0, AHEAD_MS - forthMs))
    const backMs = await goesOn(0)
    ok(simulator.arrivals().length < all.length, 'Everything was sent before the clock was put right')

    await sleep(SETTLED_MS)
    deepEqual(
      noted(environment).map((ms) => Math.round(ms / HOUR_MS)),
      [AHEAD_HOURS, -AHEAD_HOURS],
      'the jumps in the logs',
    )
    const [aged] = await sql<{ hours: number }[]>`
      SELECT round(extract(epoch FROM now() - slot_at) / 3600, 1)::float8 AS hours FROM provider_requests WHERE id = ${old?.id ?? '0'}`
    equal(aged?.hours, 5, 'hours since a request of five hours ago')
    await drained(300_000)
    equal((await http.run(id)).status, 'succeeded')
    await until('readiness', async () => (await http.request('/readyz')).text.includes('"status":"ready"'))

    // With the right clock the rows that were stored while it was ahead are fetched and compared again.
    await http.ingest(all, { force: true })
    await drained(300_000)
    return { recoveryMs: Math.max(forthMs, backMs), recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}

/** The jumps that the workers have logged, in milliseconds, the largest first. */
function noted({ programs }: Environment): number[] {
  const lines = programs.outputs().flatMap((output) => output.split('\n'))
  return lines
    .filter((line) => line.includes('clock was set'))
    .map((line) => jump.parse(JSON.parse(line)).jumpMs)
    .toSorted((one, other) => other - one)
}
