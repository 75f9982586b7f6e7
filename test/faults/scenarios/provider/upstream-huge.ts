import { deepEqual, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { residentBytes } from '../../../servers/memory.js'
import { failedAttempts } from '../../steps/attempts.js'
import type { Scenario } from '../scenario.js'

const GIGABYTE = 1024 ** 3
/** Room for two bodies at a time up to their cap of 32 MiB, and for earlier ones that are not collected yet. */
const GROWTH_LIMIT_BYTES = 256 * 1024 ** 2

export const upstreamHuge: Scenario = {
  number: 21,
  title: 'gzip bombs and bodies of a gigabyte: ended at a cap on decoded bytes, memory stays flat',
  backends: ['redis'],
  quick: true,
  environment: { concurrency: 2 },
  async run({ http, simulator, sql, programs, drained }) {
    const { worker } = programs
    await http.ingest(['BEFORE'])
    await drained()
    const bombs = ['BOMB0', 'BOMB1', 'BOMB2']
    const bodies = ['HUGE0', 'HUGE1', 'HUGE2']
    for (const symbol of bombs) simulator.rule({ symbol, answer: { kind: 'gzip_bomb', bytes: GIGABYTE } })
    for (const symbol of bodies) simulator.rule({ symbol, answer: { kind: 'huge_body', bytes: GIGABYTE } })
    const before = await residentBytes(worker.pid)
    let peak = before
    const ended = new AbortController()
    const watching = (async () => {
      while (!ended.signal.aborted) {
        peak = Math.max(peak, await residentBytes(worker.pid))
        await sleep(20)
      }
    })()
    await http.ingest([...bombs, ...bodies, 'SOUND'])
    await drained()
    ended.abort()
    await watching
    for (const symbol of [...bombs, ...bodies])
      deepEqual(
        (await failedAttempts(sql, symbol)).map((one) => [one.class, one.final]),
        [['too_large', true]],
      )
    const growth = Math.round((peak - before) / 1024 ** 2)
    ok(peak - before <= GROWTH_LIMIT_BYTES, `The worker grew by ${growth} MiB`)
  },
}
