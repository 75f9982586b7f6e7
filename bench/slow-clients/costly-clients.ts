import { fork } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startProgram } from '@stockpile/test/programs'
import { startTemporaryPostgres } from '@stockpile/test/temporary-postgres'
import * as z from 'zod'
import { summarize, table, withSpread } from '../figures/summary.js'
import { load } from '../large-table/load.js'
import { tickersOf } from '../large-table/prices.js'
import { measurePages, rowOfLatencies } from './pages.js'

const COSTLY = fileURLToPath(new URL('costly-requests.ts', import.meta.url))
const SIZE = { symbols: 100, days: 5_000 }
const WARM_UP_MS = 2_000
/** Time for the costly client to get every place that it can have. */
const SETTLE_MS = 2_000
/** How much longer the slowest of a hundred pages may take beside the costly client. */
const MOST_RATIO = 3
/** The address of a third client, which gets a place for its export when an unread export has lost one. */
const EXPORTS_FROM = '127.0.0.3'

/**
 * `pnpm bench slow-clients`, second half: pages beside one client that does not read its exports and asks for heavy statistics,
 * and pages without it, in turn. Sets exit code 1 when pages take too long, or another client's export is refused meanwhile.
 */
export async function benchCostlyClients(options: { rounds: number; seconds: number }): Promise<void> {
  const server = await startTemporaryPostgres()
  const databaseUrl = await server.createDatabase('costly')
  const api = await startProgram('api', {
    env: { DATABASE_URL: databaseUrl, PORT: '0', LOG_LEVEL: 'error' },
  })
  try {
    await load(databaseUrl, SIZE, () => {})
    const symbols = tickersOf(SIZE.symbols)
    const page = () => measurePages(api.url, symbols[50] ?? '', options.seconds * 1_000)
    console.log(
      `4 exports that are not read and 8 statistics of ${SIZE.symbols} symbols × ${SIZE.days} days, ${options.rounds} rounds`,
    )
    await measurePages(api.url, symbols[50] ?? '', WARM_UP_MS)
    const rounds = []
    for (let round = 0; round < options.rounds; round++) {
      const without = await page()
      const costly = fork(COSTLY, [api.url, symbols.join(',')])
      await once(costly, 'message')
      await sleep(SETTLE_MS)
      const beside = await page()
      const exported = await statusOfExport(api.url)
      costly.send('stop')
      const [statuses] = z
        .tuple([z.record(z.string(), z.int())])
        .rest(z.unknown())
        .parse(await once(costly, 'message'))
      await once(costly, 'exit')
      rounds.push({ without, beside, exported })
      console.log(
        `round ${round + 1}: p99 ${without.p99.toFixed(1)} ms without, ${beside.p99.toFixed(1)} ms beside them; another's export: ${exported}; theirs: ${JSON.stringify(statuses)}`,
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
          'beside costly clients',
          rounds.map((one) => one.beside),
        ),
      ]),
    )
    const ratio = summarize(rounds.map((one) => one.beside.p99 / one.without.p99))
    console.log(`p99 beside ÷ without: ${withSpread(ratio)}`)
    if (ratio.median > MOST_RATIO || rounds.some(({ exported }) => exported !== 200)) process.exitCode = 1
  } finally {
    await api.stop()
    await server.stop()
  }
}

async function statusOfExport(baseUrl: string): Promise<number | undefined> {
  const request = get(`${baseUrl}/api/financial_data?format=csv`, {
    agent: false,
    localAddress: EXPORTS_FROM,
  })
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request.once('response', resolve).once('error', reject),
  )
  answer.on('error', () => {}).destroy()
  return answer.statusCode
}
