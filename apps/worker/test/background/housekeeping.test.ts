import { getRun } from '@stockpile/db/run-status'
import { listWorkers, noteWorker } from '@stockpile/db/workers'
import { waitFor } from '@stockpile/test-harness/process'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { runHousekeeping } from '../../src/background/housekeeping.js'
import { useSystem } from '../system.js'

const system = useSystem()

/** A run whose only item ended so many days ago. */
async function runThatEnded(daysAgo: number): Promise<string> {
  const id = await system.ingest([`D${daysAgo}`], { dispatch: false })
  const then = `now() - interval '${daysAgo} days'`
  await system.db.execute(`UPDATE ingest_runs SET requested_at = ${then} WHERE id = '${id}'`)
  await system.db.execute(
    `UPDATE ingest_items SET state = 'failed', finished_at = ${then} WHERE run_id = '${id}'`,
  )
  return id
}

const isThere = async (id: string) => (await getRun(system.db, id)) !== null

/** Once, from its begin to its end: it is told to stop before it begins. */
const keepHouse = (runRetentionDays: number) =>
  runHousekeeping(
    { db: system.db, watchClock: async () => {}, logger: pino({ level: 'silent' }), runRetentionDays },
    AbortSignal.abort(),
  )

test('a worker deletes, at its start, every run that ended before RUN_RETENTION_DAYS, and says how many', async () => {
  const old = [await runThatEnded(31), await runThatEnded(400)]
  const young = await runThatEnded(29)
  await system.work({ RUN_RETENTION_DAYS: '30' })
  const said = await waitFor(() => system.logs.find((line) => line.includes('deleted runs')), {
    deadlineMs: 10_000,
  })
  expect(JSON.parse(said)).toMatchObject({ runs: 2, olderThanDays: 30 })
  for (const id of old) expect(await isThere(id)).toBe(false)
  expect(await isThere(young)).toBe(true)
})

test('runs are kept for ever with 0 days, while lost workers are forgotten after one', async () => {
  const id = await runThatEnded(4_000)
  for (const [index, hoursAgo] of [23, 25].entries()) {
    const worker = `00000000-0000-4000-8000-00000000000${index}`
    await noteWorker(system.db, {
      id: worker,
      name: `lost ${hoursAgo} hours ago`,
      version: '0.1.0',
      plan: 'free',
      limits: [],
      keyFingerprint: null,
      keyProblem: null,
      concurrency: 1,
      queue: 'postgres',
      queueProblem: null,
      startedMsAgo: 0,
      waiting: null,
    })
    await system.db.execute(
      `UPDATE workers SET last_seen_at = now() - interval '${hoursAgo} hours' WHERE id = '${worker}'`,
    )
  }
  await keepHouse(0)
  expect(await isThere(id)).toBe(true)
  expect((await listWorkers(system.db)).map(({ name }) => name)).toEqual(['lost 23 hours ago'])
  await keepHouse(3_999)
  expect(await isThere(id)).toBe(false)
})
