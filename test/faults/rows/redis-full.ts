import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

export const redisFull: Row = {
  number: 12,
  title: 'Redis is full (noeviction): told, what was not sent stays pending and visible, and is sent later',
  backends: ['redis'],
  async run({ http, redis, simulator, sql, telling, until, drained }) {
    telling.watch()
    await http.ingest(symbols(30, 'BEFORE'))
    await until('the first requests', () => simulator.arrivals().length >= 5)
    telling.began('queue')
    await redis?.ask((client) => client.config('SET', 'maxmemory', '1mb'))
    const { id } = await http.ingest(['IBM', 'AAPL', 'MSFT'])
    const { counts } = await http.run(id)
    if (counts['pending'] !== 3) throw new Error(`The run counts ${JSON.stringify(counts)}`)
    await until('a dispatcher that says so', async () => {
      const unsent = await sql`SELECT FROM ingest_items WHERE dispatched_at IS NULL AND state = 'pending'`
      return unsent.length === 3
    })
    await telling.judgeable()
    await redis?.ask((client) => client.config('SET', 'maxmemory', '0'))
    telling.ended()
    const roomAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - roomAt)
    await telling.judgeable()
    return { recoveryMs }
  },
}
