import { closeGate } from '../../disturbances/gate.js'
import { BACKENDS } from '../../environment/backends.js'
import { RECOVERY_LIMIT_MS } from '../scenario.js'
import type { Scenario } from '../scenario.js'

export const workerKilledAfterCommit: Scenario = {
  number: 2,
  title: 'a worker is killed after the commit, before the queue is told: the second run changes nothing',
  backends: BACKENDS,
  environment: { proxies: ['redis'] },
  async run({ http, sql, programs, queue, jobs, random, simulator, until }) {
    const victim = random.pick(['AAA', 'BBB', 'CCC'])
    const gate = await closeGate(sql, {
      table: 'ingest_items',
      event: 'UPDATE',
      when: `NEW.symbol = '${victim}' AND NEW.state = 'succeeded'`,
    })
    await http.ingest(['AAA', 'BBB', 'CCC'])
    await gate.reached()
    const othersDone = async () =>
      (await sql`SELECT FROM ingest_items WHERE state = 'succeeded'`).length === 2
    await until('the others', othersDone)
    await queue.freeze()
    await gate.open()
    const versions = () =>
      sql`SELECT date, xmin, ctid::text FROM financial_data WHERE symbol = ${victim} ORDER BY date`
    await until('the commit', async () => (await versions()).length > 0)
    const before = JSON.stringify(await versions())
    const killedAt = performance.now()
    await programs.kill(programs.worker)
    await queue.thaw({ forget: true })
    await programs.startWorker()
    await until('the second run of the job', async () => {
      const { active = 0, waiting = 0, prioritized = 0 } = await jobs().getJobCounts()
      return active + waiting + prioritized === 0
    })
    if (JSON.stringify(await versions()) !== before) throw new Error('The second run wrote rows again')
    const requests = simulator.arrivals().filter((arrival) => arrival.symbol === victim)
    if (requests.length !== 1) throw new Error(`${victim} was requested ${requests.length} times`)
    return { recoveryMs: Math.round(performance.now() - killedAt), recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
