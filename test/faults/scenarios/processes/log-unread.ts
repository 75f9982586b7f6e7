import { deepEqual, equal } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

const SYMBOLS = 300
/** The log lines of so many requests fill a pipe several times. */
const REQUESTS = 1_000
const AT_ONCE = 50
const DRAIN_DEADLINE_MS = 150_000

export const logUnread: Scenario = {
  number: 39,
  title: 'nobody reads the logs of worker and API: both go on, answer, and end by SIGTERM',
  backends: BACKENDS,
  quick: true,
  environment: { limits: { perSecond: 0, perMinute: 0, perDay: 0 } },
  async run({ http, programs, simulator, drained }) {
    const { api, worker } = programs
    if (api === undefined) throw new Error('There is no API')
    for (const { child } of [api, worker]) for (const stream of [child.stdout, child.stderr]) stream?.pause()
    for (let sent = 0; sent < REQUESTS; sent += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () =>
          equal((await http.request('/api/ingest?limit=1')).status, 200),
        ),
      )
    const { id } = await http.ingest(symbols(SYMBOLS))
    await drained(DRAIN_DEADLINE_MS)
    equal((await http.run(id)).status, 'succeeded')
    equal(simulator.arrivals().length, SYMBOLS)
    const codes = await Promise.all([programs.stop(worker), programs.stop(api)])
    deepEqual(codes, [0, 0])
    for (const { child } of [api, worker]) for (const stream of [child.stdout, child.stderr]) stream?.resume()
    await programs.startApi()
  },
}
