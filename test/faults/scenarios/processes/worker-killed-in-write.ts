import { closeGate } from '../../disturbances/gate.js'
import { BACKENDS } from '../../environment/backends.js'
import { RECOVERY_LIMIT_MS } from '../scenario.js'
import type { Scenario } from '../scenario.js'

export const workerKilledInWrite: Scenario = {
  number: 1,
  title: 'a worker is killed in the middle of a write: rolled back, run again, rows once',
  backends: BACKENDS,
  environment: { concurrency: 4 },
  async run({ http, sql, programs, random, until }) {
    const symbols = random.shuffled(['AAA', 'BBB', 'CCC', 'DDD'])
    const victim = random.pick(symbols)
    const gate = await closeGate(sql, {
      table: 'financial_data',
      event: 'INSERT',
      when: `NEW.symbol = '${victim}'`,
    })
    const { id } = await http.ingest(symbols)
    await gate.reached()
    const { worker } = programs
    // A second worker stands by, as in production.
    await programs.startWorker()
    const killedAt = performance.now()
    await programs.kill(worker)
    await gate.open()
    await until('the end of the cut transaction', async () => {
      const open = await sql`
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND query ILIKE '%financial_data%'
           AND application_name = 'stockpile-worker'`
      return open.length === 0
    })
    const left = await sql`SELECT FROM financial_data WHERE symbol = ${victim}`
    const [item] = await sql<{ claim: number }[]>`
      SELECT claim FROM ingest_items WHERE symbol = ${victim}`
    if (left.length > 0 && item?.claim === 1) throw new Error('The cut transaction left rows behind')
    await until('the run', async () => (await http.run(id)).status === 'succeeded')
    return { recoveryMs: Math.round(performance.now() - killedAt), recoveryLimitMs: RECOVERY_LIMIT_MS }
  },
}
