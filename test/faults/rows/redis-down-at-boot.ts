import type { Row } from '../row.js'

export const redisDownAtBoot: Row = {
  number: 10,
  title: 'Redis is down at boot: data is served, runs are accepted, it is told, and all is done afterwards',
  backends: ['redis'],
  world: { api: false, workers: 0 },
  async run({ http, redis, programs, telling, drained }) {
    await redis?.kill()
    telling.began('queue')
    await Promise.all([programs.startApi(), programs.startWorker()])
    const ready = await http.request('/readyz')
    if (ready.status !== 200 || !ready.text.includes('"status":"degraded"'))
      throw new Error(`Readiness says ${ready.status} ${ready.text}`)
    const data = await http.request('/api/financial_data?symbol=IBM')
    if (data.status !== 200) throw new Error(`Data is answered with ${data.status}`)
    await http.ingest(['IBM', 'AAPL'])
    await telling.judgeable()
    await redis?.start()
    telling.ended()
    const backAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - backAt)
    await telling.judgeable()
    return { recoveryMs }
  },
}
