import { createClient } from '@stockpile/client'
import type { components } from '@stockpile/client'
import { pgOptions } from '@stockpile/db/driver-options'
import { chooseBackend } from '@stockpile/queue/backend'
import { openQueue } from '@stockpile/queue/queue'
import { useDatabase } from '@stockpile/test-harness/database'
import { urlAs } from '@stockpile/test-harness/roles'
import { slowness } from '@stockpile/test-harness/patience'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends, uniquePrefix } from '@stockpile/test-harness/redis'
import { afterEach, describe, expect, test } from 'vitest'
import { startProgram } from '../servers/programs.js'
import type { RunningProgram } from '../servers/programs.js'
import * as z from 'zod'

const DEADLINE_MS = 20_000
const KEY = 'CANARYKEY0123456'

type Run = components['schemas']['Run']
const arrivalsSchema = z.array(z.object({ symbol: z.string() }))

/** Starts the programs as production runs them, each in a process, for tests that talk to them over HTTP. */
describe.each(queueBackends())('the whole system, the queue on $name', ({ redisUrl }) => {
  const database = useDatabase()
  const running: RunningProgram[] = []
  afterEach(async () => {
    const codes = []
    for (const program of running.splice(0).toReversed()) codes.push(await program.stop())
    if (codes.some((code) => code !== 0))
      throw new Error(`programs did not stop cleanly: ${codes.join(', ')}`)
  })

  async function start(simulatorArgs: string[] = [], workerEnv: Record<string, string> = {}) {
    const queue = {
      QUEUE_PREFIX: uniquePrefix(),
      ...(redisUrl === undefined ? {} : { REDIS_URL: redisUrl }),
    }
    const simulator = await startProgram('simulator', { args: simulatorArgs })
    running.push(simulator)
    const settings = {
      ALPHAVANTAGE_API_KEY: KEY,
      ALPHAVANTAGE_BASE_URL: simulator.url,
      ALPHAVANTAGE_REQUESTS_PER_SECOND: '0',
      SYMBOLS: '',
      ...workerEnv,
    }
    const [api, worker] = await Promise.all([
      startProgram('api', {
        env: { ...queue, DATABASE_URL: urlAs('stockpile_api', database.url), PORT: '0' },
      }),
      startProgram('worker', {
        env: { ...queue, DATABASE_URL: urlAs('stockpile_worker', database.url), ...settings },
      }),
    ])
    running.push(api, worker)
    const client = createClient(api.url)
    const ingest = async (symbols: string[]) =>
      succeeded(await client.POST('/api/ingest', { body: { symbols } })).data
    const run = (id: string, until: (one: Run) => boolean) =>
      waitFor(
        async () => {
          const { data } = succeeded(await client.GET('/api/ingest/{id}', { params: { path: { id } } }))
          return until(data) ? data : undefined
        },
        { deadlineMs: DEADLINE_MS, what: 'the run' },
      )
    const arrivals = async () =>
      arrivalsSchema.parse(await (await fetch(`${simulator.url}/simulator/arrivals`)).json())
    const queued = async () => {
      const backend = chooseBackend({ redisUrl, postgres: pgOptions(database.url) })
      const opened = openQueue({ backend, prefix: queue.QUEUE_PREFIX, onError: () => {} })
      try {
        return await opened.handle.getJobCountByTypes('wait', 'prioritized', 'active', 'delayed')
      } finally {
        await opened.close()
      }
    }
    return { api, worker, simulator, client, ingest, run, arrivals, queued }
  }

  test('brings two symbols in and shows why the third failed: in the run, the failures and on the board', async () => {
    const system = await start()
    const { client } = system
    const data = await system.ingest(['ibm', 'NOSUCH', 'AAPL'])
    expect(await system.run(data.id, (one) => one.status === 'partial')).toMatchObject({
      counts: { total: 3, succeeded: 2, failed: 1 },
      failures: [{ class: 'invalid_symbol', count: 1 }],
    })
    const failures = await client.GET('/api/failures', { params: { query: { run_id: data.id } } })
    expect(succeeded(failures).data).toMatchObject([
      { symbol: 'NOSUCH', class: 'invalid_symbol', attempt: 1 },
    ])
    const ofIbm = { params: { query: { symbol: 'IBM', limit: 1 } } }
    expect(succeeded(await client.GET('/api/financial_data', ofIbm))).toMatchObject({
      data: [{ symbol: 'IBM' }],
      pagination: { count: 100 },
    })
    const board = await waitFor(
      async () => {
        const text = await (
          await fetch(
            `${system.api.url}/queues/api/queues?activeQueue=ingest&status=failed&page=1&jobsPerPage=10`,
          )
        ).text()
        return text.includes('invalid_symbol') ? text : undefined
      },
      { deadlineMs: DEADLINE_MS, what: 'the failed job on the board' },
    )
    expect(board).toContain('NOSUCH')
    const path = { id: data.id }
    const quota = succeeded(await client.GET('/api/quota'))
    expect(quota.data).toMatchObject({ key: { state: 'accepted' }, items_waiting: 0 })
    const bodies = await Promise.all([
      client.GET('/api/ingest'),
      client.GET('/api/ingest/{id}', { params: { path } }),
      client.GET('/api/ingest/{id}/items', { params: { path } }),
      client.GET('/readyz'),
    ])
    expect(bodies.map(({ response }) => response.status)).toStrictEqual([200, 200, 200, 200])
    const shown = JSON.stringify([quota, failures.data, bodies])
    const document = await (await fetch(`${system.api.url}/openapi.json`)).text()
    expect(shown + document + board + system.api.output()).not.toContain(KEY)
  })

  test('does not let a symbol that is tried again hold up the others', async () => {
    const system = await start([], { WORKER_CONCURRENCY: '1' })
    await fetch(`${system.simulator.url}/simulator/rules`, {
      method: 'PUT',
      body: JSON.stringify([{ symbol: 'DOWN', answer: { kind: 'status', status: 503 } }]),
    })
    const data = await system.ingest(['DOWN', 'IBM', 'AAPL'])
    await system.run(data.id, (one) => one.counts.succeeded === 2)
    // A second request for DOWN may have come by now, but only after the others.
    const asked = (await system.arrivals()).map((one) => one.symbol)
    expect(asked.slice(0, 3)).toEqual(['DOWN', 'IBM', 'AAPL'])
    await system.client.POST('/api/ingest/{id}/cancel', { params: { path: { id: data.id } } })
  })

  test('cancels a run of 5,000 symbols: what waits never starts, what runs ends within a second', async () => {
    const system = await start([], { WORKER_CONCURRENCY: '10' })
    // Until the provider accepts a key, the worker sends one request at a time.
    const first = await system.ingest(['IBM'])
    await system.run(first.id, (one) => one.status === 'succeeded')
    const rules = JSON.stringify([{ answer: { kind: 'delay', ms: 60_000 } }])
    await fetch(`${system.simulator.url}/simulator/rules`, { method: 'PUT', body: rules })
    const symbols = Array.from({ length: 5_000 }, (_, index) => `S${index}`)
    const data = await system.ingest(symbols)
    await waitFor(async () => (await system.arrivals()).length === 11, {
      deadlineMs: DEADLINE_MS,
      what: 'ten requests',
    })
    await system.run(data.id, (one) => one.counts.running === 10)
    const cancelledAt = performance.now()
    const cancelled = await system.client.POST('/api/ingest/{id}/cancel', {
      params: { path: { id: data.id } },
    })
    expect(succeeded(cancelled).data).toMatchObject({
      status: 'cancelled',
      counts: { total: 5_000, cancelled: 5_000 },
    })
    const ended = () => system.worker.output().split('the item was cancelled').length - 1
    await waitFor(() => ended() === 10, { deadlineMs: DEADLINE_MS, what: 'the requests to end' })
    expect(performance.now() - cancelledAt).toBeLessThan(1_000 * slowness())
    await waitFor(async () => (await system.queued()) === 0, {
      deadlineMs: DEADLINE_MS,
      what: 'the queue to be empty',
    })
    expect(await system.arrivals()).toHaveLength(11)
  })
})

/** Returns the data of a call; fails the test with the problem if the API answered one. */
function succeeded<Data>({ data, error }: { data?: Data; error?: unknown }): Data {
  if (data === undefined) throw new Error(`the API answered: ${JSON.stringify(error)}`)
  return data
}
