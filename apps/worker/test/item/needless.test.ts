import { listItems } from '@stockpile/db/run-items'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import { describe, expect, test } from 'vitest'
import { useSystem } from '../system.js'

const DEADLINE_MS = 25_000
const page = { limit: 100, offset: 0 }

describe.each(queueBackends())('a request that is not needed, the queue on $name', ({ redisUrl }) => {
  const system = useSystem({ redisUrl, simulator: { latencyMs: 100 } })

  test('a symbol that another run is fetching just now is not fetched beside it', async () => {
    system.simulator.rule({ answer: { kind: 'delay', ms: 2_000 } })
    await system.work()
    const ids = [
      await system.ingest(['IBM', 'AAPL']),
      await system.ingest(['IBM', 'AAPL']),
      await system.ingest(['IBM', 'AAPL']),
    ]
    for (const id of ids) expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(system.simulator.arrivals()).toHaveLength(2)
  })

  test('a symbol whose newest row is rejected is fetched once for all that wait for it, and all end partial', async () => {
    const sound = { '1. open': '1', '2. high': '2', '3. low': '1', '4. close': '1', '5. volume': '1' }
    const body = JSON.stringify({
      'Meta Data': { '2. Symbol': 'IBM' },
      'Time Series (Daily)': { '2024-01-03': { ...sound, '4. close': 'NaN' }, '2024-01-02': sound },
    })
    system.simulator.rule({ symbol: 'IBM', answer: { kind: 'raw', body } })
    const ids = await Promise.all(Array.from({ length: 25 }, () => system.ingest(['IBM'])))
    await system.work()
    for (const id of ids)
      expect(await system.run(id)).toMatchObject({
        status: 'partial',
        warnings: [{ code: 'newest_row_rejected', symbols: ['IBM'] }],
      })
    // What is in a worker's hands while the first is stored, about to be put back, is not told: one of these asks again.
    const sent = system.simulator.arrivals().length
    expect(sent).toBeLessThanOrEqual(2)
    const later = await system.ingest(['IBM'])
    expect(await system.run(later)).toMatchObject({ status: 'partial' })
    expect(system.simulator.arrivals()).toHaveLength(sent + 1)
  })

  test('a symbol that another run fetched meanwhile is not fetched again, and one that can have nothing new not at all', async () => {
    const one = await system.ingest(['IBM', 'AAPL'])
    const other = await system.ingest(['IBM'])
    const forced = await system.ingest(['IBM'], { force: true })
    await system.work({ WORKER_CONCURRENCY: '1' })
    for (const id of [one, other, forced]) expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(
      system.simulator
        .arrivals()
        .map((arrival) => arrival.symbol)
        .toSorted(),
    ).toEqual(['AAPL', 'IBM', 'IBM'])
    expect((await listItems(system.db, other, page)).items).toMatchObject([
      { state: 'succeeded', outcome: 'coalesced', rows: { fetched: 0 } },
    ])
    // As if today's bar had come: on the evening of a holiday there is none.
    await system.db.execute('UPDATE symbols SET last_date = current_date')
    const later = await system.ingest(['IBM', 'AAPL'])
    expect(await system.run(later)).toMatchObject({ status: 'succeeded' })
    expect((await listItems(system.db, later, page)).items).toMatchObject([
      { outcome: 'up_to_date' },
      { outcome: 'up_to_date' },
    ])
    expect(system.simulator.arrivals()).toHaveLength(3)
    // Their jobs are withdrawn, so that they take no turn from others.
    await waitFor(
      async () => (await system.queue.getJobCountByTypes('prioritized', 'waiting', 'delayed')) === 0,
      {
        deadlineMs: DEADLINE_MS,
      },
    )
  })
})

describe('an item whose outputsize is left to us', () => {
  const system = useSystem()

  test('is not satisfied by newest rows that another run fetched, where it means the full history', async () => {
    const auto = await system.ingest(['IBM'], { priority: 'low' })
    const compact = await system.ingest(['IBM'], { outputsize: 'compact', priority: 'high' })
    await system.work({
      ALPHAVANTAGE_PLAN: '1200',
      ALPHAVANTAGE_REQUESTS_PER_MINUTE: '0',
      WORKER_CONCURRENCY: '1',
    })
    await system.run(compact)
    expect(await system.run(auto)).toMatchObject({ status: 'succeeded' })
    expect(system.simulator.arrivals().map((one) => one.outputsize)).toEqual(['compact', 'full'])
    expect((await listItems(system.db, auto, page)).items).toMatchObject([
      { outcome: 'fetched', outputsize: 'full', historyLimited: false },
    ])
  })

  test('is satisfied by them where the plan has no more, and says so', async () => {
    const auto = await system.ingest(['IBM'], { priority: 'low' })
    const compact = await system.ingest(['IBM'], { outputsize: 'compact', priority: 'high' })
    await system.work({ WORKER_CONCURRENCY: '1' })
    await system.run(compact)
    expect(await system.run(auto)).toMatchObject({ status: 'succeeded' })
    expect(system.simulator.arrivals()).toHaveLength(1)
    expect((await listItems(system.db, auto, page)).items).toMatchObject([
      { outcome: 'coalesced', historyLimited: true },
    ])
  })
})
