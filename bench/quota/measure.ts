import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@stockpile/alphavantage'
import { connect } from '@stockpile/db/connection'
import { markDispatched } from '@stockpile/db/dispatch'
import { pgOptions } from '@stockpile/db/driver-options'
import { createRun } from '@stockpile/db/runs'
import { chooseBackend } from '@stockpile/queue/backend'
import { enqueue } from '@stockpile/queue/jobs'
import { openQueue } from '@stockpile/queue/queue'
import { startProgram } from '@stockpile/test/programs'
import type { TemporaryPostgres } from '@stockpile/test/temporary-postgres'
import postgres from 'postgres'
import * as z from 'zod'
import { startSenders } from './senders.js'
import type { Task } from './task.js'
import type { Trial } from './trials.js'

const CONCURRENCY = 4
const SYMBOLS = Array.from({ length: 100 }, (_, index) => `QUOTA${index}`)
const FIRST_ARRIVAL_DEADLINE_MS = 60_000
const QUEUE_DEADLINE_MS = 60_000

export interface Surroundings {
  server: TemporaryPostgres
  redisUrl: string | null
  signal: AbortSignal
}

export interface Measured {
  /** When each request arrived, ascending, in epoch milliseconds of this machine's clock. */
  times: number[]
  endMs: number
  /** How many milliseconds after its slot in the ledger each of our requests arrived, ascending. */
  latenessMs: number[]
}

/** Runs one trial: a simulator that refuses nothing, four processes that send, a disturbance if the trial has one. */
export async function measure(trial: Trial, { server, redisUrl, signal }: Surroundings): Promise<Measured> {
  const simulator = await startProgram('simulator', { args: ['--years', '1'] })
  try {
    await warm(simulator.url)
    const databaseUrl = await server.createDatabase('quota')
    const task: Task = {
      contestant: trial.contestant,
      simulatorUrl: simulator.url,
      databaseUrl,
      redisUrl: trial.queue === 'Redis' ? redisUrl : null,
      prefix: `quota-${process.pid}-${Math.round(performance.now())}`,
      limits: [...trial.limits],
      concurrency: CONCURRENCY,
      symbols: SYMBOLS,
    }
    const senders = await startSenders(task)
    try {
      if (trial.contestant === 'stockpile') await post(task, enoughFor(trial))
      const startMs = await firstArrival(simulator.url, signal)
      const until = (seconds: number) => startMs + 1_000 * seconds - Date.now()
      await sleep(until(trial.seconds / 2), undefined, { signal })
      if (trial.disturbance === 'workers killed') await senders.killAndRestart()
      if (trial.disturbance === 'PostgreSQL crashes') await server.crash()
      await sleep(until(trial.seconds), undefined, { signal })
    } finally {
      await senders.stop()
    }
    const endMs = Date.now()
    const arrivals = await arrivalsAt(simulator.url)
    return {
      times: arrivals.map((arrival) => arrival.at).toSorted((a, b) => a - b),
      endMs,
      latenessMs: trial.contestant === 'stockpile' ? await latenessOf(databaseUrl, arrivals) : [],
    }
  } finally {
    await simulator.stop()
  }
}

/** Half as many requests again as may be sent, so that the queue never runs dry. */
function enoughFor({ limits, seconds }: Trial): number {
  const perSecond = Math.min(...limits.map(({ max, windowMs }) => (1_000 * max) / windowMs))
  return Math.ceil(1.5 * seconds * perSecond) + 100
}

/**
 * Makes the simulator compute its answers, which takes several milliseconds each: requests that come meanwhile would be logged
 * late, and closer together than they came.
 */
async function warm(url: string): Promise<void> {
  const client = createClient({ baseUrl: url, apiKey: () => 'warm' })
  for (const symbol of SYMBOLS) await client.fetchDaily({ symbol, outputsize: 'compact' })
}

/** Makes runs as the API does: commits them, then hands them to the queue. */
async function post({ databaseUrl, redisUrl, prefix }: Task, requests: number): Promise<void> {
  const connection = connect({
    databaseUrl,
    applicationName: 'bench',
    maxConnections: 1,
    statementTimeoutMs: QUEUE_DEADLINE_MS,
  })
  const backend = chooseBackend({ redisUrl: redisUrl ?? undefined, postgres: pgOptions(databaseUrl) })
  const queue = openQueue({ backend, prefix, onError: (error) => console.error(error.message) })
  try {
    for (let posted = 0; posted < requests; posted += SYMBOLS.length) {
      const { items } = await createRun(connection.db, {
        symbols: SYMBOLS,
        trigger: 'api',
        outputsize: 'compact',
        force: true,
        priority: 'normal',
      })
      await enqueue(queue.handle, items, QUEUE_DEADLINE_MS)
      const ids = items.map((item) => item.id)
      await markDispatched(connection.db, ids)
    }
  } finally {
    await queue.close()
    await connection.close()
  }
}

const arrivalsSchema = z.array(z.object({ at: z.number(), symbol: z.string() }))
type Arrival = z.infer<typeof arrivalsSchema>[number]

/** The arrivals at the simulator, without those that warmed it, with which its log begins. */
async function arrivalsAt(url: string): Promise<Arrival[]> {
  const log = await (await fetch(`${url}/simulator/arrivals`)).json()
  return arrivalsSchema.parse(log).slice(SYMBOLS.length)
}

async function firstArrival(url: string, signal: AbortSignal): Promise<number> {
  for (const deadline = Date.now() + FIRST_ARRIVAL_DEADLINE_MS; Date.now() < deadline;) {
    const [first] = await arrivalsAt(url)
    if (first !== undefined) return first.at
    await sleep(100, undefined, { signal })
  }
  throw new Error(`no request arrived within ${FIRST_ARRIVAL_DEADLINE_MS} ms`)
}

/** Sets each arrival against the nearest slot of its symbol. A figure below 0 shows that the ledger was more careful than necessary. */
async function latenessOf(databaseUrl: string, arrivals: readonly Arrival[]): Promise<number[]> {
  const sql = postgres(databaseUrl, { max: 1 })
  const rows = await sql<{ ms: number }[]>`
    SELECT DISTINCT ON (arrival.symbol, arrival.at) late.ms
      FROM jsonb_to_recordset(${JSON.stringify(arrivals)}::text::jsonb) AS arrival(at float8, symbol text)
      JOIN ingest_items AS item ON item.symbol = arrival.symbol
      JOIN provider_requests AS request ON request.item_id = item.id
     CROSS JOIN LATERAL (SELECT (arrival.at - extract(epoch FROM request.slot_at) * 1000)::float8 AS ms) AS late
     ORDER BY arrival.symbol, arrival.at, abs(late.ms)`
  await sql.end()
  return rows.map((row) => row.ms).toSorted((a, b) => a - b)
}
