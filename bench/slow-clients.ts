import { once } from 'node:events'
import { cpus } from 'node:os'
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { startProgram } from '@stockpile/test/system'
import { startTemporaryServer } from '@stockpile/test/temporary-server'
import * as z from 'zod'
import { summarize, table } from './statistics.js'

const SLOW = fileURLToPath(new URL('slow-clients/open.ts', import.meta.url))
const CLIENTS = 4
const WARM_UP_MS = 2_000
/** Twice what the server gives a request or an answer. */
const CLOSED_WITHIN_MS = 60_000
/** For the requests that the slow readers do not read: they are measured as slow clients, not as a flood. */
const SETTLE_MS = 5_000

const closedSchema = z.object({ closed: z.record(z.string(), z.array(z.number())), opened: z.number() })

/**
 * Requests of other clients beside slow ones, against the same while there are none, in turn: prints the p50 and p99
 * of both, and when the slow ones were closed. Exits with 1 when one was not.
 */
export async function benchSlowClients(options: {
  rounds: number
  sockets: number
  seconds: number
}): Promise<void> {
  const server = await startTemporaryServer()
  const api = await startProgram('api', {
    env: { DATABASE_URL: await server.createDatabase('slow'), PORT: '0', LOG_LEVEL: 'error' },
  })
  try {
    console.log(
      `${options.sockets} slow clients, ${options.rounds} rounds; ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
    )
    await measure(api.url, WARM_UP_MS)
    const rounds = []
    for (let round = 0; round < options.rounds; round++) {
      const without = await measure(api.url, options.seconds * 1_000)
      const slow = fork(SLOW, [api.url, String(options.sockets), String(CLOSED_WITHIN_MS)])
      await once(slow, 'message')
      await sleep(SETTLE_MS)
      const beside = await measure(api.url, options.seconds * 1_000)
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
        row(
          'without',
          rounds.map((one) => one.without),
        ),
        row(
          'beside slow clients',
          rounds.map((one) => one.beside),
        ),
      ]),
    )
    const ratio = summarize(rounds.map((one) => one.beside.p99 / one.without.p99))
    console.log(`p99 beside ÷ without: ${ratio.median.toFixed(2)} (±${(ratio.spread * 100).toFixed(0)} %)`)
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

interface Latency {
  perSecond: number
  p50: number
  p99: number
}

/** Pages of financial data over a few kept connections, each client one after another. */
async function measure(baseUrl: string, ms: number): Promise<Latency> {
  const times: number[] = []
  const endsAt = performance.now() + ms
  const work = async () => {
    while (performance.now() < endsAt) {
      const startedAt = performance.now()
      const response = await fetch(`${baseUrl}/api/financial_data?symbol=IBM`)
      await response.text()
      if (!response.ok) throw new Error(`an ordinary client got ${response.status}`)
      times.push(performance.now() - startedAt)
      await sleep(1)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? NaN
  return { perSecond: (times.length / ms) * 1_000, p50: at(0.5), p99: at(0.99) }
}

function row(name: string, measured: readonly Latency[]): string[] {
  const cell = (values: number[]) => {
    const { median, spread } = summarize(values)
    return `${median.toFixed(1)} (±${(spread * 100).toFixed(0)} %)`
  }
  return [
    name,
    cell(measured.map((one) => one.perSecond)),
    cell(measured.map((one) => one.p50)),
    cell(measured.map((one) => one.p99)),
  ]
}
