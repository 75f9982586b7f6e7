import type { Row } from '../row.js'

export const redisKilled: Row = {
  number: 7,
  title: 'Redis, with its append-only file, is killed in the middle of a run: no accepted item is lost',
  backends: ['redis'],
  world: { redisSettings: { appendonly: 'yes', appendfsync: 'everysec' } },
  async run({ http, redis, random, simulator, sql, until, drained }) {
    await http.ingest(Array.from({ length: 20 }, (_, index) => `SYM${index}`))
    const moment = random.between(1, 12)
    await until(`${moment} requests`, () => simulator.arrivals().length >= moment)
    await redis?.kill()
    await redis?.start()
    const backAt = performance.now()
    await http.ingest(['LATER'])
    await drained()
    const failures = await sql`SELECT FROM ingest_failures`
    if (failures.length > 0) throw new Error(`${failures.length} attempts were charged`)
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
