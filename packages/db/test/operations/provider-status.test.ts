import { describe, expect, test } from 'vitest'
import type { ProviderStatus } from '@stockpile/domain/cause'
import { providerStatus, readCauses } from '../../src/operations/causes.js'
import { noteWorker, removeWorker } from '../../src/operations/workers.js'
import { blockUntil, refuseAccess } from '../../src/quota/ledger-refusals.js'
import { limitsFor } from '../../src/quota/limits.js'
import { readQuota } from '../../src/quota/quota-report.js'
import { forecastRuns } from '../../src/quota/run-forecast.js'
import { createRun } from '../../src/runs/runs.js'
import { getRun } from '../../src/runs/run-status.js'
import { acceptKey, dailyLimits, granted, letPass, liveWorker, startWorker } from '../quota/ledger-setup.js'
import { runOf, useConnection } from '../database.js'

const connection = useConnection()

async function readProviderStatus(): Promise<ProviderStatus> {
  return providerStatus(await readCauses(connection.db))
}

async function forecastOf(id: string): Promise<string | null | undefined> {
  const run = await getRun(connection.db, id)
  return run === null ? undefined : (await forecastRuns(connection.db, [run])).get(id)?.at
}

describe('the status of the provider', () => {
  test('waits for the quota while a refusal blocks, or the day is spent, not for the gap between two requests', async () => {
    const { db } = connection
    const limits = limitsFor({ perSecond: 1, perMinute: 0, perDay: 2 })
    await startWorker(db, { plan: 'free', limits })
    await acceptKey(db)
    await granted(db, { limits })
    expect(await readProviderStatus()).toBe('up')
    await letPass(db, '2 s')
    await granted(db, { limits })
    expect(await readProviderStatus()).toBe('waiting_quota')
    await letPass(db, '1 day 2 s')
    expect(await readProviderStatus()).toBe('up')
    await blockUntil(db, 'key-1', { class: 'minute_limit', detail: 'Too many.', ms: 60_000 })
    expect(await readProviderStatus()).toBe('waiting_quota')
  })

  test('waits for a key that no living worker has', async () => {
    const { db } = connection
    const worker = await startWorker(db, { plan: 'free', limits: dailyLimits })
    const { id } = await createRun(db, runOf(['IBM']))
    const keyProblem = 'There is no API key: the key file k does not exist.'
    await noteWorker(db, { ...worker, keyFingerprint: null, keyProblem })
    expect(await readProviderStatus()).toBe('waiting_key')
    expect(await forecastOf(id)).toBeNull()
    expect(await readQuota(db)).toMatchObject({
      key: { fingerprint: null, missing: true, refused: false, access: [] },
      backlogDone: { at: null, unknownBecause: keyProblem },
    })
    const other = await liveWorker(db, { keyFingerprint: 'key-1' })
    expect(await readProviderStatus()).toBe('up')
    expect((await readQuota(db)).key).toMatchObject({ missing: false })
    await removeWorker(db, other.id)
    await noteWorker(db, worker)
    expect(await readProviderStatus()).toBe('up')
    expect(await forecastOf(id)).not.toBeNull()
  })

  test('waits for a key until another one is tried', async () => {
    const { db } = connection
    const { id } = await granted(db)
    await refuseAccess(db, id, { class: 'demo_key', detail: 'No.' })
    expect(await readProviderStatus()).toBe('waiting_key')
    // While no worker lives, the status goes by the key that was used last.
    await granted(db, { fingerprint: 'key-2' })
    expect(await readProviderStatus()).toBe('unknown')
    const worker = await liveWorker(db, { keyFingerprint: 'key-1' })
    expect(await readProviderStatus()).toBe('waiting_key')
    await noteWorker(db, { ...worker, keyFingerprint: 'key-2' })
    expect(await readProviderStatus()).toBe('up')
  })
})
