import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startProgram } from '@stockpile/test/programs'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import * as z from 'zod'
import { describeMachine } from '../figures/machine.js'
import { summarize, table, withSpread } from '../figures/summary.js'
import { measurePages, rowOfLatencies } from './pages.js'

const SLOW = fileURLToPath(new URL('slow-sockets.ts', import.meta.url))
const WARM_UP_MS = 2_000
/** Twice the time that the server gives a request or an answer. */
const CLOSED_WITHIN_MS = 60_000
/** Time for the server to answer what the slow readers ask for, so that they count as slow clients and not as a flood. */
const SETTLE_MS = 5_000

const closedSchema = z.object({ closed: z.record(z.string(), z.array(z.number())), opened: z.number() })

/**
 * `pnpm bench slow-clients`, first half: requests of ordinary clients beside slow ones and without them, in turn. Prints p50 and
 * p99 of both, and when the server closed the slow ones. Sets exit code 1 when it left one open.
 */
export async function benchSlowClients(options: {
  rounds: number
  sockets: number
  seconds: number
}): Promise<void> {
  const server = await startTemporaryPostgres()
  const api = await startProgram('api', {
    env: { DATABASE_URL: await server.createDatabase('slow'), PORT: '0', LOG_LEVEL: 'error' },
  })
  try {
    console.log(`${options.sockets} slow clients, ${options.rounds} rounds; ${describeMachine()}`)
    await measurePages(api.url, 'IBM', WARM_UP_MS)
    const rounds = []
    for (let round = 0; round < options.rounds; round++) {
      const without = await measurePages(api.url, 'IBM', options.seconds * 1_000)
      const slow = fork(SLOW, [api.url, String(options.sockets), String(CLOSED_WITHIN_MS)])
      await once(slow, 'message')
      await sleep(SETTLE_MS)
      const beside = await measurePages(api.url, 'IBM', options.seconds * 1_000)
      const [message] = z
        .tuple([closedSchema])
        .rest(z.unknown())
        .parse(await once(slow, 'message'))
      rounds.push({ without, beside, ...message })
      console.log(
        `round ${round + 1}: p99 ${without.p99.toFixed(1)} ms without, ${beside.p99.toFixed(1)} ms beside them`,
      )
    }
    console.log(
      table([
        ['', 'requests/s', 'p50 ms', 'p99 ms'],
        rowOfLatencies(
          'without',
          rounds.map((one) => one.without),
        ),
        rowOfLatencies(
          'beside slow clients',
          rounds.map((one) => one.beside),
        ),
      ]),
    )
    const ratio = summarize(rounds.map((one) => one.beside.p99 / one.without.p99))
    console.log(`p99 beside ÷ without: ${withSpread(ratio)}`)
    let closed = 0
    for (const kind of Object.keys(rounds[0]?.closed ?? {})) {
      const seconds = rounds.flatMap((one) => one.closed[kind] ?? [])
      closed += seconds.length
      console.log(
        `${kind}: ${seconds.length} closed after ${Math.min(...seconds).toFixed(0)} to ${Math.max(...seconds).toFixed(0)} s`,
      )
    }
    const opened = rounds.reduce((sum, one) => sum + one.opened, 0)
    console.log(`${closed} of ${opened} slow clients were closed by the server`)
    if (closed < opened) process.exitCode = 1
  } finally {
    await api.stop()
    await server.stop()
  }
}
