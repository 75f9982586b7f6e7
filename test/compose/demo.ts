import { createHash } from 'node:crypto'
import * as z from 'zod'
import { loginToAdminer } from './adminer.js'
import { API, countOf, finished, get, ingest, midway, requestsOf, symbolsNamed, waitFor } from './api.js'
import { assert } from './claims.js'
import type { Claims } from './claims.js'
import { docker } from './docker.js'
import type { Stack } from './stack.js'

const startRunSchema = z.object({
  data: z.tuple([z.object({ id: z.string(), trigger: z.literal('start') })]),
})

/** Checks what the demo shows at first, and that stopping loses nothing. */
export async function checkDemo(stack: Stack, { claim }: Claims): Promise<void> {
  stack.demo(true)
  await stack.environment('ALPHAVANTAGE_API_KEY=a-key-that-costs-money\nALPHAVANTAGE_REQUESTS_PER_SECOND=1\n')
  await claim('docker compose --profile demo up --build --wait brings everything up', async () => {
    await stack.up('--build')
    const logs = await Promise.all(['api', 'worker', 'migrate'].map((service) => stack.logs(service)))
    assert(
      logs.every((log) => log.includes('!! SYNTHETIC DATA')),
      'a process does not say that the data is made up',
    )
    return 'api, worker and migrate say that the data is made up'
  })
  await claim('the first up ingests SYMBOLS', async () => {
    const answer = await waitFor(
      () => 'the first run',
      async () => startRunSchema.safeParse(await get('/api/ingest')).data,
    )
    const run = await finished(answer.data[0].id)
    return `${run.counts.succeeded} symbols, ${run.rows.inserted} rows`
  })
  await claim(
    'an ingest is accepted and finishes; prices, statistics and the board are served',
    ingestAndServe,
  )
  await claim('adminer logs in to the database', async () => {
    const page = await loginToAdminer('stockpile_demo')
    assert(
      page.includes('financial_data') && page.includes('ingest_runs'),
      `it shows no tables:\n${page.slice(0, 2_000)}`,
    )
    return 'it lists the tables of stockpile_demo'
  })
  await claim('a key in .env does not reach the simulator', async () => {
    const used = new Set((await stack.arrivals()).map(({ keyFingerprint }) => keyFingerprint))
    const madeUp = createHash('sha256').update('made-up').digest('hex').slice(0, 8)
    assert([...used].join() === madeUp, `it saw ${[...used].join()}, and not ${madeUp}`)
    return 'it saw the made-up one alone'
  })
  await claim('the demo leaves the other database empty', async () => {
    const tables = await stack.psql('stockpile', "select count(*) from pg_tables where schemaname = 'public'")
    assert(tables === '0', `${tables} tables in stockpile`)
    return 'no table in stockpile'
  })
  await claim('no process in any container runs as root', async () => {
    const ids = (await stack.compose('ps', '--quiet')).split('\n').filter((id) => id !== '')
    const users = new Set<string>()
    for (const id of ids) {
      const rows = (await docker(['top', id, '-eo', 'uid,pid,args'])).trim().split('\n').slice(1)
      // The health checks of the official images start as root, as their entrypoints do.
      for (const row of rows.filter((one) => !/pg_isready|redis-cli/.test(one))) {
        const [uid = ''] = row.trim().split(/\s+/)
        assert(uid !== '0', row)
        users.add(uid)
      }
    }
    return `${ids.length} containers, users ${[...users].join(', ')}`
  })
  await claim('a stop reaches every process, which ends by itself', async () => {
    await stack.compose('stop')
    const codes = []
    for (const service of ['api', 'worker', 'simulator']) {
      for (const id of await stack.containers(service)) {
        codes.push(`${service} ${(await docker(['inspect', '--format', '{{.State.ExitCode}}', id])).trim()}`)
      }
    }
    assert(
      codes.every((code) => code.endsWith(' 0')),
      `exit codes: ${codes.join(', ')}`,
    )
    await stack.up()
    return `exit codes: ${codes.join(', ')}`
  })
  await claim('a worker that restarts while the simulator is away stays in the demo', async () => {
    await stack.compose('stop', 'simulator')
    const since = new Date().toISOString()
    await stack.compose('restart', 'worker')
    const [worker = ''] = await stack.containers('worker')
    const log = () => docker(['logs', '--since', since, worker])
    await waitFor(
      () => 'the worker to work again',
      async () => (await log()).includes('"msg":"working"') || undefined,
    )
    assert((await log()).includes('SYNTHETIC DATA'), 'it left the demo')
    await stack.up()
    return 'it says so again'
  })
  await claim('down and up again keep the data', () => keepData(stack))
  await claim('down in the middle of a run and up again finish it, each symbol requested once', async () => {
    const symbols = symbolsNamed('DOWN', 100)
    const id = await ingest(symbols)
    const first = stack.arrivalsToTheEnd()
    const { counts } = await midway(id, 30)
    await stack.down()
    await stack.up()
    await finished(id)
    return `down at ${counts.succeeded}; ${requestsOf(symbols, [...(await first), ...(await stack.arrivals())])}`
  })
}

/** Brings three symbols in, and says what was inserted and what the API and the board answer. */
export async function ingestAndServe(): Promise<string> {
  const run = await finished(await ingest(['MSFT', 'NVDA', 'TSLA']))
  const prices = await countOf('/api/financial_data?symbol=MSFT')
  const range = 'start_date=2020-01-01&end_date=2100-01-01'
  const statistics = z
    .object({ data: z.object({ average_daily_volume: z.number() }) })
    .parse(await get(`/api/statistics?symbol=MSFT&${range}`))
  const board = await fetch(`${API}/queues`)
  assert(board.status === 200 && prices > 0, `the board answered ${board.status}, with ${prices} prices`)
  return `${run.rows.inserted} rows, ${prices} of MSFT, average volume ${statistics.data.average_daily_volume}, board ${board.status}`
}

/** Brings the project down and up again, and says what is still there. */
export async function keepData(stack: Stack): Promise<string> {
  const counts = async () => [await countOf('/api/financial_data'), await countOf('/api/ingest')]
  const before = await counts()
  await stack.down()
  await stack.up()
  const after = await counts()
  assert(before.join() === after.join(), `${before.join()} rows and runs before, ${after.join()} after`)
  return `${after[0]} rows and ${after[1]} runs, as before`
}
