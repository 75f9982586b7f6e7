import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Connection } from '../../src/database/connection.js'
import type { Limit } from '@stockpile/domain/limit'
import { publishPlan, reserveRequest } from '../../src/quota/ledger.js'
import type { RequestToReserve, Reservation } from '../../src/quota/ledger.js'
import { limitsFor } from '../../src/quota/limits.js'
import { noteWorker } from '../../src/operations/workers.js'
import type { WorkerSelf } from '../../src/operations/workers.js'

type Db = Connection['db']

/** Adds the row of a living worker, with a plan of 25 requests a day. */
export async function liveWorker(db: Db, values: Partial<WorkerSelf> = {}): Promise<WorkerSelf> {
  const self: WorkerSelf = {
    id: randomUUID(),
    name: 'host:1',
    version: '0.1.0',
    plan: 'free',
    limits: dailyLimits,
    keyFingerprint: null,
    keyProblem: null,
    concurrency: 4,
    queue: 'redis',
    queueProblem: null,
    startedMsAgo: 60_000,
    waiting: null,
    ...values,
  }
  await noteWorker(db, self)
  return self
}

/** Does what a worker with the key `key-1` does at its start. */
export async function startWorker(
  db: Db,
  { plan, limits }: { plan: string; limits: readonly Limit[] },
): Promise<WorkerSelf> {
  await publishPlan(db, { plan, limits })
  return liveWorker(db, { plan, limits, keyFingerprint: 'key-1' })
}

/** 25 requests a day, and no shorter limit, for which a test would have to wait. */
export const dailyLimits = limitsFor({ perSecond: 0, perMinute: 0, perDay: 25 })
export const noLimits = limitsFor({ perSecond: 0, perMinute: 0, perDay: 0 })

export function requestOf(values: Partial<RequestToReserve> = {}): RequestToReserve {
  return {
    limits: dailyLimits,
    fingerprint: 'key-1',
    function: 'TIME_SERIES_DAILY',
    outputsize: 'compact',
    itemId: null,
    ...values,
  }
}

/** Reserves a slot, and fails the test when there is none. */
export async function granted(
  db: Db,
  values: Partial<RequestToReserve> = {},
): Promise<Reservation & { granted: true }> {
  const reservation = await reserveRequest(db, requestOf(values))
  if (!reservation.granted) throw new Error(`no slot: ${reservation.reason}`)
  return reservation
}

/** Lets the provider have accepted a key for these outputsizes, so that no request is a probe. */
export async function acceptKey(db: Db, fingerprint = 'key-1', outputsizes = ['compact']): Promise<void> {
  for (const outputsize of outputsizes) {
    await db.execute(sql`
      INSERT INTO provider_access (key_fingerprint, function, outputsize, state, decided_at)
      VALUES (${fingerprint}, 'TIME_SERIES_DAILY', ${outputsize}, 'accepted', now())`)
  }
}

export interface LedgerRequest extends Record<string, unknown> {
  id: number
  /** Milliseconds since 1970. */
  slotAt: number
  outcome: string | null
  itemId: number | null
}

export async function ledgerRequests(db: Db): Promise<LedgerRequest[]> {
  const rows = await db.execute<LedgerRequest>(sql`
    SELECT id::float8 AS id, (extract(epoch FROM slot_at) * 1000)::float8 AS "slotAt", outcome, item_id::float8 AS "itemId"
      FROM provider_requests ORDER BY slot_at, id`)
  return [...rows]
}

/** Moves all that the ledger knows into the past, as if so much time had passed. */
export async function letPass(db: Db, interval: string): Promise<void> {
  await db.execute(sql`UPDATE provider_requests SET slot_at = slot_at - ${interval}::interval`)
  await db.execute(sql`
    UPDATE provider_access SET retry_at = retry_at - ${interval}::interval,
      probe_until = probe_until - ${interval}::interval, decided_at = decided_at - ${interval}::interval`)
  await db.execute(sql`
    UPDATE provider_keys SET blocked_until = blocked_until - ${interval}::interval, said_at = said_at - ${interval}::interval`)
}

/** Milliseconds from now until an instant; NaN without one. */
export function msUntil(instant: string | null | undefined): number {
  return Date.parse(instant ?? '') - Date.now()
}
