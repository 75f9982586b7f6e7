import { BACKENDS } from '../../environment/backends.js'
import type { Scenario } from '../scenario.js'

export const workerFrozen: Scenario = {
  number: 4,
  title: 'a worker is frozen past its lock and wakes up: its late write is refused by the fence',
  backends: BACKENDS,
  async run({ http, sql, programs, simulator, onArrival, until }) {
    // The frozen worker gets an answer with other values, so that a late write of them would show.
    simulator.rule({ symbol: 'IBM', times: 1, answer: { kind: 'restated' } })
    const sleeper = programs.worker
    let frozenAt: number | undefined
    onArrival(() => {
      if (frozenAt !== undefined) return
      frozenAt = performance.now()
      process.kill(sleeper.pid, 'SIGSTOP')
    })
    const { id } = await http.ingest(['IBM'])
    await until('the request', () => frozenAt)
    await programs.startWorker()
    await until('the other worker', async () => (await http.run(id)).status === 'succeeded')
    const recoveryMs = Math.round(performance.now() - (frozenAt ?? 0))
    process.kill(sleeper.pid, 'SIGCONT')
    await until('the refusal', () => sleeper.output().includes('taken over; nothing was written'))
    const [item] = await sql<{ claim: number; attempts: number }[]>`SELECT claim, attempts FROM ingest_items`
    if (item?.claim !== 2 || item.attempts !== 0) throw new Error(`The item is ${JSON.stringify(item)}`)
    return { recoveryMs }
  },
}
