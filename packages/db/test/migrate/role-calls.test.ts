import { randomUUID } from 'node:crypto'
import { PROCESS_ROLES, urlAs } from '@stockpile/test-harness/roles'
import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { packBars } from '../../src/prices/bars.js'
import { readCauses } from '../../src/operations/causes.js'
import { connect } from '../../src/database/connection.js'
import type { Pool } from '../../src/database/connection.js'
import {
  dispatchedItems,
  markDispatched,
  markWithdrawn,
  undispatchedItems,
  withdrawableItems,
} from '../../src/runs/dispatch.js'
import { deepestCause } from '../../src/database/error-sentence.js'
import { readExportChunk } from '../../src/prices/export.js'
import { groupFailures, listFailures } from '../../src/runs/failures.js'
import { listFinancialData, listFinancialDataAfter } from '../../src/prices/financial-data.js'
import { oncePerKey, pruneIdempotencyKeys } from '../../src/runs/idempotency.js'
import {
  uncountLoneLoss,
  noteStorageWait,
  backoffLeftMs,
  releaseItem,
  snoozeItem,
} from '../../src/runs/items.js'
import { failAttempt } from '../../src/runs/fail-attempt.js'
import { failKnown, finishNeedless } from '../../src/runs/needless.js'
import { lostClaims } from '../../src/runs/claim.js'
import { storeSeries } from '../../src/runs/store-series.js'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import {
  discardRequest,
  isStillSlot,
  moveSlot,
  publishPlan,
  readGate,
  renewProbe,
  reserveRequest,
} from '../../src/quota/ledger.js'
import { noteClockJump, settleLedger } from '../../src/quota/ledger-clock.js'
import { pruneRequests } from '../../src/quota/request-days.js'
import {
  blockUntil,
  publishRefusals,
  recordDailyRefusal,
  refuseAccess,
} from '../../src/quota/ledger-refusals.js'
import { noteUnanswered } from '../../src/quota/outage.js'
import { readQuota } from '../../src/quota/quota-report.js'
import { assertMigrated } from '../../src/migrate/migrate.js'
import { listRejectedRows, listRejectedRowsOfRun } from '../../src/runs/rejected-rows.js'
import { pruneRun } from '../../src/runs/retention.js'
import { listRevisions } from '../../src/prices/revisions.js'
import type { ProcessName } from '../../src/migrate/roles.js'
import { forecastRuns } from '../../src/quota/run-forecast.js'
import { getRun, listRuns } from '../../src/runs/run-status.js'
import { listItems } from '../../src/runs/run-items.js'
import { cancelRun, createRun, createStartRun, retryRun } from '../../src/runs/runs.js'
import { STATISTIC_NAMES, readStatistics } from '../../src/prices/statistics.js'
import {
  clearStorageTrouble,
  explainTrouble,
  noteStorageTrouble,
  readStorageState,
  tryToStore,
} from '../../src/operations/storage-state.js'
import { readStoredRanges } from '../../src/prices/stored-range.js'
import { hasSyntheticData, noteSyntheticData } from '../../src/prices/synthetic-data.js'
import { readKnownVersion, readUnknown, readVersion } from '../../src/prices/version.js'
import { listWorkers, noteWorker, pruneWorkers, removeWorker } from '../../src/operations/workers.js'
import { dailyLimits } from '../quota/ledger-setup.js'
import { bar, failure, runOf, series, takenItem, useConnection, wait } from '../database.js'

const DAYS = { startDate: '2024-01-01', endDate: '2024-12-31' }
const PART = { limit: 10, offset: 0 }
const ROWS = { columns: ['symbol', 'date', 'close_price'], format: 'csv' } as const
const odd = { date: '2024-01-04', raw: { text: 'odd' }, reasons: ['volume'] }

/** What a call works with: rows of every kind, written by the owner. */
interface Environment {
  /** A connection with a role's rights. */
  db: Pool
  owner: Pool
  /** A run with a failed item that finished long ago. */
  oldRunId: string
  failureId: number
  workerId: string
}

type Call = (environment: Environment) => Promise<unknown>

let made = 0
/** A symbol, or a key's fingerprint, that no other call uses. */
const unique = () => `NEW${(made += 1)}`

async function reserved(db: Pool): Promise<number> {
  const reservation = await reserveRequest(db, {
    limits: dailyLimits,
    fingerprint: unique(),
    function: 'DAILY',
    outputsize: 'compact',
    itemId: null,
  })
  if (!reservation.granted) throw new Error(`no slot: ${reservation.reason}`)
  return reservation.id
}

const READS: Record<string, Call> = {
  assertMigrated: ({ db }) => assertMigrated(db),
  readCauses: ({ db }) => readCauses(db),
  listWorkers: ({ db }) => listWorkers(db),
  readStorageState: ({ db }) => readStorageState(db),
  hasSyntheticData: ({ db }) => hasSyntheticData(db),
}

const OF_THE_API: Record<string, Call> = {
  ...READS,
  createRun: ({ db }) => createRun(db, runOf(['IBM', 'NEW'])),
  'createRun with what is known to fail': ({ db }) => createRun(db, runOf(['NOSUCH', 'IBM'])),
  oncePerKey: ({ db }) =>
    oncePerKey(
      db,
      { key: 'a', request: {} },
      async (tx) => {
        const { id } = await createRun(tx, runOf([unique()]))
        return { runId: id, answer: id }
      },
      async (_, { runId }) => runId,
    ),
  cancelRun: async ({ db }) => {
    const { id } = await createRun(db, runOf([unique()]))
    expect(await cancelRun(db, id)).toBe('cancelled')
    expect((await getRun(db, id))?.counts).toMatchObject({ cancelled: 1, pending: 0 })
  },
  retryRun: async ({ db, oldRunId }) => expect(await retryRun(db, oldRunId)).toBe('retried'),
  markDispatched: ({ db }) => markDispatched(db, [1]),
  withdrawableItems: ({ db }) => withdrawableItems(db, 10),
  markWithdrawn: ({ db }) => markWithdrawn(db, [1]),
  getRun: ({ db, oldRunId }) => getRun(db, oldRunId),
  listRuns: ({ db }) => listRuns(db, PART),
  listItems: ({ db, oldRunId }) => listItems(db, oldRunId, PART),
  forecastRuns: async ({ db }) => forecastRuns(db, (await listRuns(db, PART)).runs),
  readQuota: ({ db }) => readQuota(db),
  listFailures: ({ db }) => listFailures(db, PART),
  groupFailures: ({ db }) => groupFailures(db, {}),
  listRejectedRows: ({ db }) => listRejectedRows(db, PART),
  listRejectedRowsOfRun: ({ db, oldRunId }) => listRejectedRowsOfRun(db, oldRunId, PART),
  listRevisions: ({ db }) => listRevisions(db, { symbol: 'IBM' }, PART),
  listFinancialData: ({ db }) => listFinancialData(db, { symbols: ['IBM'], ...DAYS }, PART),
  'listFinancialData as of an instant': ({ db }) =>
    listFinancialData(db, { symbols: ['IBM'], asOf: '2024-06-01T00:00:00Z' }, PART),
  'listFinancialData latest': ({ db }) => listFinancialData(db, { latest: true }, PART),
  listFinancialDataAfter: ({ db }) => listFinancialDataAfter(db, {}, { symbol: 'A', date: '2024-01-01' }, 10),
  readExportChunk: ({ db }) => readExportChunk(db, {}, ROWS, null, 10),
  readStatistics: ({ db }) =>
    readStatistics(db, { symbols: ['IBM'], ...DAYS, names: STATISTIC_NAMES, limit: 10 }),
  readStoredRanges: ({ db }) => readStoredRanges(db, ['IBM']),
  readVersion: ({ db }) => readVersion(db, undefined),
  readKnownVersion: ({ db }) => readKnownVersion(db, ['IBM']),
  readUnknown: ({ db }) => readUnknown(db, ['IBM']),
}

const OF_THE_WORKER: Record<string, Call> = {
  ...READS,
  createStartRun: ({ db }) => createStartRun(db, ['IBM', 'NEW']),
  'takeItem and storeSeries, with what is rejected and restated': async ({ db }) => {
    const bars = packBars([bar('2024-01-03', { close: '10.5' })])
    await storeSeries(db, await takenItem(db, 'IBM', { force: true }), series({ bars, rejected: [odd] }))
  },
  'failAttempt, to be tried again': async ({ db }) =>
    failAttempt(db, await takenItem(db, unique()), failure, { retryInMs: 1_000 }),
  'failAttempt, finally, with what is rejected': async ({ db }) =>
    failAttempt(db, await takenItem(db, unique()), failure, { final: true, rejected: [odd] }),
  failKnown: async ({ db, failureId }) => failKnown(db, await takenItem(db, unique()), failureId),
  finishNeedless: async ({ db }) => finishNeedless(db, await takenItem(db, unique()), 'up_to_date'),
  snoozeItem: async ({ db }) => snoozeItem(db, await takenItem(db, unique()), wait('quota')),
  releaseItem: async ({ db }) => releaseItem(db, await takenItem(db, unique())),
  uncountLoneLoss: async ({ db }) => uncountLoneLoss(db, await takenItem(db, unique())),
  noteStorageWait: async ({ db }) => noteStorageWait(db, await takenItem(db, unique()), 'The disk is full.'),
  backoffLeftMs: ({ db }) => backoffLeftMs(db, 1),
  lostClaims: ({ db }) => lostClaims(db, [{ id: 1, claim: 1 }]),
  undispatchedItems: ({ db }) => undispatchedItems(db, { limit: 10, minimumAgeMs: 0 }),
  dispatchedItems: ({ db }) => dispatchedItems(db, { afterId: 0, limit: 10, minimumAgeMs: 0 }),
  markDispatched: ({ db }) => markDispatched(db, [1]),
  withdrawableItems: ({ db }) => withdrawableItems(db, 10),
  markWithdrawn: ({ db }) => markWithdrawn(db, [1]),
  publishPlan: ({ db }) => publishPlan(db, { plan: 'free', limits: dailyLimits }),
  publishRefusals: ({ db }) => publishRefusals(db, { strange: { scope: 'item', limit: null } }),
  readGate: ({ db }) => readGate(db, { limits: dailyLimits, fingerprint: unique(), aheadMs: 0 }),
  'reserveRequest and what becomes of it': async ({ db }) => {
    const id = await reserved(db)
    await renewProbe(db, id)
    await moveSlot(db, id, 10)
    await isStillSlot(db, id, dailyLimits)
    await concludeRequest(db, id, { outcome: 'accepted', answered: true, durationMs: 1, bytes: 1 })
  },
  discardRequest: async ({ db }) => discardRequest(db, await reserved(db)),
  noteUnanswered: async ({ db }) => {
    const waits = { needed: 1, firstMs: 1_000, longestMs: 1_000, attemptMs: 1_000 }
    const id = await reserved(db)
    await noteUnanswered(db, { id, symbol: 'IBM', class: 'network', detail: 'Away.', ...waits })
    await concludeRequest(db, id, { outcome: 'network', answered: true, durationMs: 1, bytes: 0 })
  },
  refuseAccess: async ({ db }) =>
    refuseAccess(db, await reserved(db), { class: 'invalid_key', detail: 'Refused.' }),
  'refuseAccess again': async ({ db }) =>
    refuseAccess(db, await reserved(db), { class: 'entitlement', detail: 'Refused.' }),
  blockUntil: ({ db }) => blockUntil(db, unique(), { class: 'rate_limit', detail: 'Slower.', ms: 1_000 }),
  recordDailyRefusal: ({ db }) =>
    recordDailyRefusal(db, unique(), {
      class: 'daily_limit',
      limits: dailyLimits,
      saidPerDay: 20,
      detail: 'Spent.',
    }),
  noteClockJump: async ({ db }) =>
    expect(await noteClockJump(db, { ms: 1_000, seen: 0, newestId: 0, afterMs: 0 })).toBe(true),
  settleLedger: ({ db }) => settleLedger(db),
  pruneRequests: async ({ db }) => expect(await pruneRequests(db)).toBe(1),
  pruneIdempotencyKeys: ({ db }) => pruneIdempotencyKeys(db),
  pruneRun: async ({ db, owner, oldRunId }) => {
    expect(await pruneRun(db, { olderThanDays: 30 })).toBe('run')
    for (const table of ['ingest_items', 'ingest_failures', 'run_totals', 'idempotency_keys']) {
      const left = sql`SELECT FROM ${sql.identifier(table)} WHERE run_id = ${oldRunId}::uuid`
      expect(await owner.execute(left)).toEqual([])
    }
  },
  noteWorker: ({ db, workerId }) => noteWorker(db, worker(workerId)),
  removeWorker: ({ db, workerId }) => removeWorker(db, workerId),
  pruneWorkers: ({ db }) => pruneWorkers(db),
  noteStorageTrouble: ({ db }) => noteStorageTrouble(db, { class: 'locked', detail: 'Held.' }, 1_000),
  clearStorageTrouble: ({ db }) => clearStorageTrouble(db),
  explainTrouble: ({ db }) => explainTrouble(db, { class: 'locked', detail: 'Held.' }),
  tryToStore: ({ db }) => tryToStore(db),
  noteSyntheticData: ({ db }) => noteSyntheticData(db),
}

const worker = (id: string) => ({
  id,
  name: 'here 1',
  version: '0',
  plan: 'free',
  limits: dailyLimits,
  keyFingerprint: 'known',
  keyProblem: null,
  concurrency: 1,
  queue: 'postgres' as const,
  queueProblem: null,
  startedMsAgo: 0,
  waiting: null,
})

const CALLS: Record<ProcessName, Record<string, Call>> = { api: OF_THE_API, worker: OF_THE_WORKER }

const database = useConnection()

/** Writes rows of every kind that a call reads, changes or prunes. */
async function makeEnvironment(owner: Pool): Promise<Omit<Environment, 'db'>> {
  await storeSeries(owner, await takenItem(owner, 'IBM'), series({ rejected: [odd] }))
  await failAttempt(owner, await takenItem(owner, 'NOSUCH'), failure, { final: true })
  const [failed] = await owner.execute<{ id: number; runId: string }>(
    sql`SELECT id::float8 AS id, run_id AS "runId" FROM ingest_failures`,
  )
  if (failed === undefined) throw new Error('no failure was recorded')
  await owner.execute(sql`INSERT INTO idempotency_keys (key, request_hash, run_id, answer, created_at)
    VALUES ('old', 'hash', ${failed.runId}::uuid, '{}', now() - interval '2 days')`)
  await owner.execute(
    sql`UPDATE ingest_runs SET requested_at = now() - interval '99 days' WHERE id = ${failed.runId}::uuid`,
  )
  await owner.execute(
    sql`UPDATE ingest_items SET finished_at = now() - interval '99 days' WHERE run_id = ${failed.runId}::uuid`,
  )
  await owner.execute(
    sql`INSERT INTO provider_requests (slot_at, outcome) VALUES (now() - interval '9 days', 'accepted')`,
  )
  const workerId = randomUUID()
  await noteWorker(owner, worker(workerId))
  return { owner, oldRunId: failed.runId, failureId: failed.id, workerId }
}

test.each(['api', 'worker'] as const)('The role of the %s may do all that its process does', async (name) => {
  const environment = await makeEnvironment(database.db)
  const { db, close } = connect({
    databaseUrl: urlAs(PROCESS_ROLES[name], database.url),
    applicationName: 'db-test',
    maxConnections: 1,
    statementTimeoutMs: 10_000,
  })
  const failed: Record<string, unknown> = {}
  for (const [what, call] of Object.entries(CALLS[name])) {
    await call({ ...environment, db }).catch((error: unknown) => (failed[what] = deepestCause(error)))
  }
  await close()
  expect(failed).toEqual({})
})
