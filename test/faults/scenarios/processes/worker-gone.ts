import { equal } from 'node:assert/strict'
import { BACKENDS } from '../../environment/backends.js'
import { symbols } from '../../environment/symbols.js'
import type { Scenario } from '../scenario.js'

export const workerGone: Scenario = {
  number: 41,
  title: 'the only worker is killed, then its successor frozen: told as such, and work goes on by itself',
  backends: BACKENDS,
  async run({ http, programs, causes, drained }) {
    causes.watch()
    const before = await http.ingest(symbols(3, 'A'))
    await drained()
    equal((await http.run(before.id)).status, 'succeeded')

    await programs.kill(programs.worker)
    causes.began('worker')
    const { id } = await http.ingest(symbols(3, 'B'))
    await causes.judgeable()
    equal((await http.run(id)).status, 'blocked')
    causes.ended()
    const next = await programs.startWorker()
    await drained()
    await causes.judgeable()

    process.kill(next.pid, 'SIGSTOP')
    causes.began('worker')
    await http.ingest(symbols(3, 'C'))
    await causes.judgeable()
    process.kill(next.pid, 'SIGCONT')
    causes.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await causes.judgeable()
    return { recoveryMs }
  },
}
