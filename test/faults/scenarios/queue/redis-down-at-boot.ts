import type { Scenario } from '../scenario.js'

export const redisDownAtBoot: Scenario = {
  number: 10,
  title: 'Redis is down at boot: data is served, runs are accepted, it is told, and all is done afterwards',
  backends: ['redis'],
  environment: { api: false, workers: 0 },
  async run({ http, redis, programs, causes, drained }) {
    await redis?.kill()
    causes.began('queue')
    await Promise.all([programs.startApi(), programs.startWorker()])
    const ready = await http.request('/readyz')
    if (ready.status !== 200 || !ready.text.includes('"status":"degraded"'))
      throw new Error(`Readiness says ${ready.status} ${ready.text}`)
    const data = await http.request('/api/financial_data?symbol=IBM')
    if (data.status !== 200) throw new Error(`Data is answered with ${data.status}`)
    await http.ingest(['IBM', 'AAPL'])
    await causes.judgeable()
    await redis?.start()
    causes.ended()
    const backAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - backAt)
    await causes.judgeable()
    return { recoveryMs }
  },
}
