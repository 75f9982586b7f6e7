import { setTimeout as sleep } from 'node:timers/promises'
import { listFailures } from '@stockpile/db/failures'
import { listItems } from '@stockpile/db/run-items'
import {
  clearStorageTrouble,
  noteStorageTrouble,
  readStorageState,
  tryToStore,
} from '@stockpile/db/storage-state'
import { waitFor } from '@stockpile/test-harness/process'
import { queueBackends } from '@stockpile/test-harness/redis'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { keepUntilStored } from '../../src/item/keep-answer.js'
import { StorageHealth } from '../../src/quota/storage-health.js'
import { symbolNames, useSystem } from '../system.js'

const DEADLINE_MS = 30_000
const page = { limit: 100, offset: 0 }
const CONCURRENCY = 3

describe.each(queueBackends())('rows that cannot be stored, the queue on $name', ({ redisUrl }) => {
  const system = useSystem({ redisUrl })
  const work = () => system.work({ WORKER_CONCURRENCY: String(CONCURRENCY) })
  const arrivals = () => system.simulator.arrivals().length
  const attempts = async (id: string) =>
    (await listItems(system.db, id, page)).items.map((item) => item.attempts)
  /** As the server would refuse to store rows. */
  const refuse = (code: string, when = 'true') =>
    system.db.execute(`
      CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'the server refuses' USING ERRCODE = '${code}'; END $$;
      CREATE TRIGGER refuse BEFORE INSERT ON financial_data FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION refuse()`)
  const accept = () => system.db.execute('DROP TRIGGER refuse ON financial_data')
  /** A worker that has stored something: without, it tries before its first request, and finds out by that. */
  const worked = async () => {
    const worker = await work()
    await system.run(await system.ingest(['IBM']))
    return worker
  }
  const closed = () =>
    waitFor(() => readStorageState(system.db), { deadlineMs: DEADLINE_MS, what: 'a mark for all workers' })

  test.each([
    // Longer than a mark lasts that nobody renews.
    ['53100', 'disk_full', 16_000],
    ['57014', 'too_slow', 0],
    ['58030', 'write_failed', 0],
    // A right that is missing, a file that is damaged, a trigger of somebody's own.
    ['42501', 'refused', 0],
    ['XX001', 'refused', 0],
    ['P0001', 'refused', 0],
  ] as const)(
    'are kept and nothing more is asked for by anybody; afterwards each symbol was asked for once (%s)',
    async (code, expected, lastsMs) => {
      await worked()
      await refuse(code)
      const id = await system.ingest(symbolNames(12))
      expect(await closed()).toMatchObject({ class: expected })
      const other = await work()
      await system.run(id, (run) => run.waiting?.for === 'storage')
      await sleep(lastsMs)
      expect(arrivals()).toBeLessThanOrEqual(1 + CONCURRENCY)
      expect(await readStorageState(system.db)).toMatchObject({ class: expected })
      await accept()
      expect(await system.run(id)).toMatchObject({ status: 'succeeded', counts: { succeeded: 12 } })
      expect(arrivals()).toBe(13)
      expect(await attempts(id)).toEqual(Array.from({ length: 12 }, () => 0))
      expect(await readStorageState(system.db)).toBeNull()
      // Of each worker at most: the other tries as well.
      expect(system.logs.filter((line) => line.includes('rows cannot be stored')).length).toBeLessThanOrEqual(
        2,
      )
      expect(system.logs.some((line) => /rows can be stored again after \d+ s/.test(line))).toBe(true)
      await other.stop(AbortSignal.timeout(1_000))
    },
  )

  test('are not asked for by a worker that starts while no other says so', async () => {
    await refuse('53100')
    const id = await system.ingest(symbolNames(12))
    await work()
    expect(await closed()).toMatchObject({ class: 'disk_full' })
    await system.run(id, (run) => run.waiting?.for === 'storage')
    expect(arrivals()).toBe(0)
    await accept()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(arrivals()).toBe(12)
    expect(await readStorageState(system.db)).toBeNull()
  })

  test('are not asked for by one that worked, once whoever told it of that is gone', async () => {
    await worked()
    await refuse('53100')
    // Told once, by nobody who would say it again: before it runs out this worker has tried by itself.
    await noteStorageTrouble(system.db, { class: 'write_failed', detail: 'Told by another.' }, 0)
    const id = await system.ingest(symbolNames(12))
    await waitFor(() => system.logs.some((line) => line.includes('rows cannot be stored')), {
      deadlineMs: DEADLINE_MS,
    })
    const isOwnMark = async () => (await readStorageState(system.db))?.class === 'disk_full'
    await waitFor(isOwnMark, { deadlineMs: DEADLINE_MS })
    expect(arrivals()).toBe(1)
    await accept()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(arrivals()).toBe(13)
  })

  test('for a lock of somebody else: the run waits for storage, and whoever holds it is named', async () => {
    // Before a key has been accepted, one request at a time goes out.
    await worked()
    let id = ''
    await system.db.transaction(async (tx) => {
      await tx.execute(`LOCK TABLE financial_data IN ACCESS EXCLUSIVE MODE`)
      id = await system.ingest(symbolNames(12))
      const state = await closed()
      expect(state.class).toBe('locked')
      // Since when is for a role to see that may look at the sessions of others.
      expect(state.detail).toMatch(/process \d+ \(test, user \w+(, since .+)?\) holds a lock/)
      // The first has its hands full of what it keeps; another finds out when it asks.
      await work()
      const waiting = await system.run(id, (run) => run.waiting?.for === 'storage')
      expect(waiting.waiting?.reason).toMatch(/holds a lock/)
      expect(arrivals()).toBeLessThanOrEqual(1 + CONCURRENCY)
    })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(arrivals()).toBe(13)
    expect(await attempts(id)).toEqual(Array.from({ length: 12 }, () => 0))
  })

  test('for a lock on one symbol: its item and its run wait for storage, whoever holds it is named, all else goes on', async () => {
    await worked()
    let id = ''
    await system.db.transaction(async (tx) => {
      await tx.execute(`SELECT FROM symbols WHERE symbol = 'IBM' FOR UPDATE`)
      id = await system.ingest(['IBM'], { force: true })
      const both = await system.ingest(['MSFT', 'IBM'], { force: true })
      const { waiting } = await system.run(id, (run) => run.waiting !== null)
      expect(waiting).toMatchObject({ for: 'storage', class: 'locked', until: null })
      expect(waiting?.reason).toMatch(/process \d+ \(test, user \w+(, since .+)?\) holds a lock/)
      expect(waiting?.advice).toContain('End the transaction')
      const { items } = await listItems(system.db, id, page)
      expect(items).toMatchObject([{ state: 'running', waitingFor: 'storage', attempts: 0 }])
      await system.run(both, (run) => run.counts.succeeded === 1)
      // Of nothing else: others can be stored.
      expect(await readStorageState(system.db)).toBeNull()
    })
    expect(await system.run(id)).toMatchObject({ status: 'succeeded', waiting: null })
    expect((await listItems(system.db, id, page)).items).toMatchObject([
      { waitingFor: null, waitingReason: null, attempts: 0 },
    ])
  })

  test('are not taken to be storable because something else could be written', async () => {
    await refuse('53100')
    const opened: string[] = []
    const logger = pino({ level: 'silent' })
    const storage = new StorageHealth({
      db: system.db,
      onClosed: () => opened.push('closed'),
      onOpened: () => opened.push('opened'),
      logger,
    })
    const { signal } = new AbortController()
    const kept = keepUntilStored(storage, () => tryToStore(system.db), { signal, log: logger })
    await closed()
    await keepUntilStored(storage, () => system.db.execute('UPDATE provider_state SET plan = plan'), {
      signal,
      log: logger,
    })
    expect(storage.wait).toMatchObject({ for: 'storage' })
    expect(await readStorageState(system.db)).toMatchObject({ class: 'disk_full' })
    expect(opened).not.toContain('opened')
    await accept()
    await kept
    expect(storage.wait).toBeNull()
    await waitFor(async () => (await readStorageState(system.db)) === null || undefined, {
      deadlineMs: DEADLINE_MS,
      what: 'the end of the mark',
    })
  })

  test('in time, of one symbol alone, are a recorded failure, tried again and ended; the others go on', async () => {
    await refuse('57014', "NEW.symbol = 'SLOW'")
    await work()
    const id = await system.ingest(['SLOW', ...symbolNames(6)])
    expect(await system.run(id)).toMatchObject({
      status: 'partial',
      counts: { succeeded: 6, failed: 1 },
      failures: [{ class: 'storage_timeout', count: 1 }],
    })
    const { failures } = await listFailures(system.db, { ...page, runId: id })
    expect(failures.map((one) => [one.symbol, one.class, one.attempt, one.final])).toEqual([
      ['SLOW', 'storage_timeout', 3, true],
      ['SLOW', 'storage_timeout', 2, false],
      ['SLOW', 'storage_timeout', 1, false],
    ])
    expect(arrivals()).toBe(9)
    expect(await readStorageState(system.db)).toBeNull()
  })

  test('are given up by a worker that stops, and fetched by the next: it says that a request is lost', async () => {
    const worker = await worked()
    await refuse('53100')
    const id = await system.ingest(['AAPL'])
    await closed()
    await worker.stop(AbortSignal.timeout(100))
    expect(system.logs.some((line) => line.includes('its request is lost'))).toBe(true)
    await accept()
    // It would run out by itself.
    await clearStorageTrouble(system.db)
    await work()
    expect(await system.run(id)).toMatchObject({ status: 'succeeded' })
    expect(arrivals()).toBe(3)
    expect(await attempts(id)).toEqual([0])
  })
})
