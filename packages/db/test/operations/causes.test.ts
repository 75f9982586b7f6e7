import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { causesOf, readCauses, providerStatus } from '../../src/operations/causes.js'
import type { Situation } from '../../src/operations/situation.js'
import { limitsFor } from '../../src/quota/limits.js'
import { readQuota } from '../../src/quota/quota-report.js'
import { forecastRuns } from '../../src/quota/run-forecast.js'
import { getRun } from '../../src/runs/run-status.js'
import { createRun } from '../../src/runs/runs.js'
import { listWorkers, noteWorker, pruneWorkers, removeWorker } from '../../src/operations/workers.js'
import type { WorkerWait } from '../../src/operations/workers.js'
import { acceptKey, dailyLimits, granted, letPass, liveWorker, noLimits } from '../quota/ledger-setup.js'
import { runOf, useConnection } from '../database.js'

const connection = useConnection()
const kinds = async () => (await readCauses(connection.db)).map((cause) => cause.class)

/** Lets the workers have been silent for so long; a negative interval: lets the clock have been set back since. */
async function silence(interval: string): Promise<void> {
  await connection.db.execute(sql`UPDATE workers SET last_seen_at = last_seen_at - ${interval}::interval`)
}

describe('a worker', () => {
  test('that says nothing for 20 s is lost, with when it was last seen, and a run waits without an estimate', async () => {
    const { db } = connection
    const worker = await liveWorker(db)
    const { id } = await createRun(db, runOf(['IBM']))
    expect(await kinds()).toEqual([])
    await silence('21 s')
    const [cause] = await readCauses(db)
    expect(cause).toMatchObject({ for: 'worker', class: 'worker_lost', until: null })
    expect(cause?.detail).toBe(`No worker lives: the last was seen at ${cause?.since}.`)
    const run = await getRun(db, id)
    expect(run).toMatchObject({ status: 'blocked', waiting: { for: 'worker', since: cause?.since } })
    expect(run && (await forecastRuns(db, [run])).get(id)).toEqual({
      at: null,
      unknownBecause: cause?.detail,
    })
    expect(await listWorkers(db)).toMatchObject([{ id: worker.id, lives: false, waiting: null }])
    await noteWorker(db, worker)
    expect(await kinds()).toEqual([])
    expect(await getRun(db, id)).toMatchObject({ status: 'queued', waiting: null })
  })

  test('that stopped as it was told to is not lost, and one that never was is told apart', async () => {
    const { db } = connection
    expect(await readCauses(db)).toMatchObject([{ class: 'no_worker', since: null }])
    const { id } = await liveWorker(db)
    await removeWorker(db, id)
    const [cause] = await readCauses(db)
    expect(cause).toMatchObject({
      class: 'no_worker',
      detail: `No worker lives: the last stopped at ${cause?.since}.`,
    })
    expect(cause?.since).not.toBeNull()
  })

  test('whose row was deleted writes it again; whose clock was set back does not live for hours', async () => {
    const { db } = connection
    const worker = await liveWorker(db)
    await db.execute(sql`DELETE FROM workers`)
    await noteWorker(db, worker)
    expect(await kinds()).toEqual([])
    await silence('-3 hours')
    expect(await kinds()).toEqual(['worker_lost'])
    await noteWorker(db, worker)
    expect(await kinds()).toEqual([])
    await silence('25 hours')
    await pruneWorkers(db)
    expect(await listWorkers(db)).toEqual([])
  })

  test('with a larger plan goes on while the day of another is spent, and the quota is said by its plan', async () => {
    const { db } = connection
    await acceptKey(db)
    await liveWorker(db, {
      keyFingerprint: 'key-1',
      limits: limitsFor({ perSecond: 0, perMinute: 0, perDay: 1 }),
    })
    await granted(db)
    expect(await readCauses(db)).toMatchObject([{ for: 'quota', class: 'daily_limit' }])
    const large = await liveWorker(db, { plan: '75', keyFingerprint: 'key-1', limits: noLimits })
    expect(await readCauses(db)).toEqual([])
    expect(await readQuota(db)).toMatchObject({ plan: '75', livingPlans: ['75', 'free'], limits: [] })
    const workers = await listWorkers(db)
    expect(workers.map(({ plan, waiting }) => [plan, waiting?.for])).toEqual([
      ['free', 'quota'],
      ['75', undefined],
    ])
    await removeWorker(db, large.id)
    expect(await kinds()).toEqual(['daily_limit'])
  })
})

describe('a queue that gives or takes no jobs', () => {
  const down = { class: 'queue_down' as const, detail: 'The queue does not answer.' }

  test('keeps runs waiting while all workers say so, and since when', async () => {
    const { db } = connection
    await acceptKey(db)
    const first = await liveWorker(db, { queueProblem: down })
    const { id } = await createRun(db, runOf(['IBM']))
    const [cause] = await readCauses(db)
    expect(cause).toMatchObject({ for: 'queue', class: 'queue_down', detail: down.detail, until: null })
    const run = await getRun(db, id)
    expect(run).toMatchObject({ status: 'blocked', waiting: { for: 'queue', since: cause?.since } })
    expect(run && (await forecastRuns(db, [run])).get(id)).toEqual({ at: null, unknownBecause: down.detail })
    expect(await readQuota(db)).toMatchObject({ causes: [{ for: 'queue' }] })
    expect(await listWorkers(db)).toMatchObject([{ waiting: { for: 'queue', reason: down.detail } }])
    await noteWorker(db, { ...first, queueProblem: { ...down, class: 'queue_refuses_jobs' } })
    expect(await readCauses(db)).toMatchObject([{ class: 'queue_refuses_jobs', since: cause?.since }])
    const other = await liveWorker(db)
    expect(await readCauses(db)).toEqual([])
    await removeWorker(db, other.id)
    expect(await kinds()).toEqual(['queue_refuses_jobs'])
    await noteWorker(db, first)
    await noteWorker(db, { ...first, queueProblem: null })
    expect(await readCauses(db)).toEqual([])
    expect(await getRun(db, id)).toMatchObject({ status: 'queued', waiting: null })
  })
})

describe('a provider that answers nobody', () => {
  test.each([
    ['network', 'unreachable'],
    ['timeout', 'unreachable'],
    ['http_error', 'failing'],
    ['http_rejected', 'failing'],
  ])('with class %s is %s, for as long as a worker looks for its end', async (kind, status) => {
    const { db } = connection
    const worker = await liveWorker(db)
    await db.execute(sql`
      UPDATE provider_state SET outage_since = now(), outage_class = ${kind}, outage_detail = 'No.', outage_probe_at = now() + interval '5 s'`)
    const causes = await readCauses(db)
    expect(causes).toMatchObject([
      { for: 'provider', class: kind, detail: 'The provider does not answer: No.' },
    ])
    expect(causes[0]?.until).not.toBeNull()
    expect(providerStatus(causes)).toBe(status)
    await removeWorker(db, worker.id)
    expect(await kinds()).toEqual(['no_worker'])
  })
})

describe('an estimate', () => {
  test('is not given while nothing is sent and nothing says why', async () => {
    const { db } = connection
    await liveWorker(db, { limits: dailyLimits })
    const { id } = await createRun(db, runOf(['IBM']))
    const estimate = async () => {
      const run = await getRun(db, id)
      return run && (await forecastRuns(db, [run])).get(id)
    }
    expect(await estimate()).toMatchObject({ unknownBecause: null })
    await db.execute(sql`UPDATE ingest_runs SET requested_at = now() - interval '1 minute'`)
    expect(await estimate()).toMatchObject({
      at: null,
      unknownBecause: expect.stringMatching(/^Nothing has been sent since/) as unknown,
    })
    await granted(db)
    expect(await estimate()).toMatchObject({ unknownBecause: null })
    await letPass(db, '21 s')
    expect(await estimate()).toMatchObject({ at: null })
  })
})

describe('of several causes', () => {
  const wait = (what: 'key' | 'quota', until: string | null): WorkerWait => ({
    for: what,
    class: what === 'key' ? 'invalid_key' : 'daily_limit',
    reason: 'Why.',
    since: null,
    until,
  })
  const worker = (waiting: WorkerWait | null, queueWait: WorkerWait | null = null) => ({ waiting, queueWait })
  const queueWait: WorkerWait = {
    for: 'queue',
    class: 'queue_down',
    reason: 'Away.',
    since: '2026-01-01T00:00:00.000Z',
    until: null,
  }
  const nothing: Situation = {
    living: [worker(null)],
    lastSeenAt: '2026-01-01T00:00:00.000Z',
    wasStopped: false,
    storage: null,
    outage: null,
    blocked: null,
    last: { key: null, quota: null },
  }
  const storage = { class: 'disk_full', detail: 'Full.', since: null, advice: 'Room.' } as const
  const outage = { class: 'network', detail: 'No.', since: '2026-01-01T00:00:00.000Z', until: null }
  const blocked = { class: 'burst_limit', detail: 'Fast.', since: null, until: '2026-01-02T00:00:00.000Z' }
  const causes = (values: Partial<Situation>) => causesOf({ ...nothing, ...values }).map((cause) => cause.for)

  test('what a person has to do something about first comes first', () => {
    expect(causes({})).toEqual([])
    expect(causes({ living: [], storage })).toEqual(['worker', 'storage'])
    expect(causes({ living: [worker(wait('key', null), queueWait)], storage, outage, blocked })).toEqual([
      'storage',
      'queue',
      'key',
      'provider',
      'quota',
    ])
  })

  test('workers that are stopped by different things are all stopped, unless one goes on by itself', () => {
    const queueless = worker(null, queueWait)
    expect(causes({ living: [queueless, worker(null)] })).toEqual([])
    expect(causes({ living: [queueless, worker(wait('key', null))] })).toEqual(['queue', 'key'])
    expect(causes({ living: [queueless, worker(wait('quota', '2026-01-03T00:00:00.000Z'))] })).toEqual([
      'quota',
    ])
    expect(causes({ living: [worker(wait('quota', '2026-01-03T00:00:00.000Z'), queueWait)] })).toEqual([
      'queue',
      'quota',
    ])
  })

  test('of the same the one that began first is told', () => {
    const later = { ...queueWait, since: '2026-01-02T00:00:00.000Z' }
    for (const living of [
      [worker(null, later), worker(null, queueWait)],
      [worker(null, queueWait), worker(null, later)],
    ])
      expect(causesOf({ ...nothing, living })).toMatchObject([{ for: 'queue', since: queueWait.since }])
  })

  test('what stops only some workers is none; with a spent day and a missing key, the day ends the wait', () => {
    expect(causes({ living: [worker(wait('key', null)), worker(null)] })).toEqual([])
    const [cause] = causesOf({
      ...nothing,
      living: [worker(wait('key', null)), worker(wait('quota', '2026-01-03T00:00:00.000Z'))],
    })
    expect(cause).toMatchObject({ for: 'quota', until: '2026-01-03T00:00:00.000Z' })
  })

  test('where nothing can be written no worker is called lost, and it is so since the last was seen', () => {
    const readOnly = { ...storage, class: 'read_only' as const }
    expect(causesOf({ ...nothing, living: [], storage: readOnly })).toMatchObject([
      { for: 'storage', since: nothing.lastSeenAt },
    ])
  })
})
