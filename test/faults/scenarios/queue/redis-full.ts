import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

export const redisFull: Scenario = {
  number: 12,
  title: 'Redis is full (noeviction): told, what was not sent stays pending and visible, and is sent later',
  backends: ['redis'],
  async run({ http, redis, simulator, sql, causes, until, drained }) {
    causes.watch()
    await http.ingest(symbols(30, 'BEFORE'))
    await until('the first requests', () => simulator.arrivals().length >= 5)
    causes.began('queue')
    await redis?.ask((client) => client.config('SET', 'maxmemory', '1mb'))
    const { id } = await http.ingest(['IBM', 'AAPL', 'MSFT'])
    const { counts } = await http.run(id)
    if (counts['pending'] !== 3) throw new Error(`The run counts ${JSON.stringify(counts)}`)
    await until('a dispatcher that says so', async () => {
      const unsent = await sql`SELECT FROM ingest_items WHERE dispatched_at IS NULL AND state = 'pending'`
      return unsent.length === 3
    })
    await causes.judgeable()
    await redis?.ask((client) => client.config('SET', 'maxmemory', '0'))
    causes.ended()
    const roomAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - roomAt)
    await causes.judgeable()
    return { recoveryMs }
  },
}
