import type { Row } from '../row.js'

export const redisDownAtBoot: Row = {
  number: 10,
  title: 'Redis is down at boot: data is served, runs are accepted, readiness says degraded',
  backends: ['redis'],
  world: { api: false, workers: 0 },
  async run({ http, redis, programs, drained }) {
    await redis?.kill()
    await Promise.all([programs.startApi(), programs.startWorker()])
    const ready = await http.request('/readyz')
    if (ready.status !== 200 || !ready.text.includes('"status":"degraded"'))
      throw new Error(`Readiness says ${ready.status} ${ready.text}`)
    const data = await http.request('/api/financial_data?symbol=IBM')
    if (data.status !== 200) throw new Error(`Data is answered with ${data.status}`)
    await http.ingest(['IBM', 'AAPL'])
    await redis?.start()
    const backAt = performance.now()
    await drained()
    return { recoveryMs: Math.round(performance.now() - backAt) }
  },
}
