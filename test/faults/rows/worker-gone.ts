import { equal } from 'node:assert/strict'
import { BACKENDS } from '../backends.js'
import type { Row } from '../row.js'
import { symbols } from '../symbols.js'

export const workerGone: Row = {
  number: 41,
  title: 'the only worker is killed, then its successor frozen: told as such, and work goes on by itself',
  backends: BACKENDS,
  async run({ http, programs, telling, drained }) {
    telling.watch()
    const before = await http.ingest(symbols(3, 'A'))
    await drained()
    equal((await http.run(before.id)).status, 'succeeded')

    await programs.kill(programs.worker)
    telling.began('worker')
    const { id } = await http.ingest(symbols(3, 'B'))
    await telling.judgeable()
    equal((await http.run(id)).status, 'blocked')
    telling.ended()
    const next = await programs.startWorker()
    await drained()
    await telling.judgeable()

    process.kill(next.pid, 'SIGSTOP')
    telling.began('worker')
    await http.ingest(symbols(3, 'C'))
    await telling.judgeable()
    process.kill(next.pid, 'SIGCONT')
    telling.ended()
    const endedAt = performance.now()
    await drained()
    const recoveryMs = Math.round(performance.now() - endedAt)
    await telling.judgeable()
    return { recoveryMs }
  },
}
