import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { expect, test } from 'vitest'
import type { Limit } from '@stockpile/domain/limit'
import { isUnavailable } from '../../src/database/connection.js'
import type { Connection } from '../../src/database/connection.js'
import { discardRequest, reserveRequest } from '../../src/quota/ledger.js'
import { limitsFor } from '../../src/quota/limits.js'
import { nextSlot } from '../../src/quota/slots.js'
import { acceptKey, ledgerRequests, dailyLimits, granted, noLimits, requestOf } from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()
/** Limits of 25 in 1 s and 100 in 5 s, in place of a minute and a day. */
const limits = limitsFor(
  { perSecond: 0, perMinute: 25, perDay: 100 },
  { second: 1_000, minute: 1_000, day: 5_000 },
)

/** Counts the requests in each window that begins with a request, and returns the greatest count. */
function most(slots: readonly number[], windowMs: number): number {
  return Math.max(
    ...slots.map((from) => slots.filter((slot) => slot >= from && slot < from + windowMs).length),
  )
}

function expectKept(slots: readonly number[], all: readonly Limit[]): void {
  for (const { max, windowMs, marginMs } of all.filter((one) => one.max > 0)) {
    expect(most(slots, windowMs + marginMs)).toBeLessThanOrEqual(max)
  }
}

/** Reserves slots until the deadline, as fast as they are granted. */
async function hammer(
  db: Connection['db'],
  until: number,
  settled: (id: number) => Promise<unknown> = async () => {},
): Promise<void> {
  while (performance.now() < until) {
    try {
      const reservation = await reserveRequest(db, requestOf({ limits, aheadMs: 500 }))
      if (reservation.granted) await settled(reservation.id)
      else await sleep(Math.min(Math.max(reservation.waitMs - 500, 1), until - performance.now()))
    } catch (error) {
      if (!isUnavailable(error)) throw error
    }
  }
}

test('16 connections never bring a sliding window over a limit, and leave nothing of the quota unused', async () => {
  const databases = Array.from({ length: 4 }, () => connection.open().db)
  await acceptKey(connection.db)
  const until = performance.now() + 6_000
  await Promise.all(
    Array.from({ length: 16 }, (_, index) => hammer(databases[index % 4] ?? connection.db, until)),
  )
  const slots = (await ledgerRequests(connection.db)).map((request) => request.slotAt)
  expectKept(slots, limits)
  // After the first 25, which find an empty ledger, each slot is, to the millisecond, the first that the formula allows.
  expect(slots.length).toBeGreaterThanOrEqual(125)
  for (const [index, slot] of slots.slice(25).entries()) {
    expect(slot).toBeCloseTo(nextSlot(slots.slice(0, index + 25), limits, 0), 1)
  }
})

test('connections cut and slots discarded in the middle may waste a slot and never bring a window over a limit', async () => {
  const { db } = connection.open()
  await acceptKey(db)
  const killer = postgres(connection.url, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: 'killer' },
  })
  const until = performance.now() + 3_000
  const everGranted = new Set<number>()
  const kill = async () => {
    while (performance.now() < until) {
      await killer`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'db-test' AND state <> 'idle' LIMIT 1`
      await sleep(20)
    }
  }
  const settle = async (id: number) => {
    everGranted.add(id)
    if (id % 5 === 0) {
      await discardRequest(db, id)
      everGranted.delete(id)
    }
  }
  try {
    await Promise.all([kill(), ...Array.from({ length: 12 }, () => hammer(db, until, settle))])
  } finally {
    await killer.end()
  }
  const requests = await ledgerRequests(db)
  expectKept(
    requests.map((request) => request.slotAt),
    limits,
  )
  // Every slot that was granted is in the ledger: no worker sends a request that the ledger does not know of.
  const recorded = new Set(requests.map((request) => request.id))
  expect([...everGranted].filter((id) => !recorded.has(id))).toEqual([])
  expect(everGranted.size).toBeGreaterThan(40)
})

test('a backend that dies while it waits for its turn reserves nothing and stops nobody', async () => {
  const { db } = connection.open()
  await acceptKey(db)
  const holder = postgres(connection.url, { max: 1, connection: { application_name: 'holder' } })
  try {
    await holder`SELECT pg_advisory_lock(x'51554f5441'::bigint)`
    const waiting = reserveRequest(db, requestOf()).catch((error: unknown) => error)
    let killed = 0
    while (killed === 0) {
      killed = (
        await holder`
          SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'db-test' AND wait_event_type = 'Lock'`
      ).length
    }
    expect(isUnavailable(await waiting)).toBe(true)
  } finally {
    await holder.end()
  }
  expect(await ledgerRequests(db)).toEqual([])
  expect(await granted(db)).toMatchObject({ waitMs: 0 })
})

test('the wait for the own turn counts neither as being late nor as waiting for the slot', async () => {
  const { db } = connection
  await acceptKey(db)
  await granted(db)
  const holder = postgres(connection.url, { max: 1, connection: { application_name: 'holder' } })
  try {
    await holder`SELECT pg_advisory_lock(x'51554f5441'::bigint)`
    const askedAt = performance.now()
    const waiting = granted(db)
    let waits = 0
    while (waits === 0) {
      waits = (
        await holder`
          SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'db-test'
             AND wait_event_type = 'Lock' AND clock_timestamp() - query_start > interval '300 ms'`
      ).length
    }
    await holder`SELECT pg_advisory_unlock(x'51554f5441'::bigint)`
    const { waitMs, slotMs } = await waiting
    expect(waitMs).toBe(0)
    expect(slotMs).toBeGreaterThanOrEqual(299)
    expect(performance.now() - askedAt - slotMs).toBeLessThan(slotMs)
  } finally {
    await holder.end()
  }
})

test('of 16 that ask at once for the last slot of the day one has it', async () => {
  const { db } = connection
  await acceptKey(db)
  for (let sent = 0; sent < 24; sent++) await granted(db)
  const asked = await Promise.all(
    Array.from({ length: 16 }, () => reserveRequest(db, requestOf({ limits: dailyLimits }))),
  )
  expect(asked.filter((one) => one.granted)).toHaveLength(1)
})

test('of 16 that ask at once with a key that nobody knows one is sent, and the others wait a moment', async () => {
  const { db } = connection
  const asked = await Promise.all(
    Array.from({ length: 16 }, (_, index) =>
      reserveRequest(db, requestOf({ limits: noLimits, outputsize: index % 2 === 0 ? 'compact' : 'full' })),
    ),
  )
  expect(asked.filter((one) => one.granted)).toMatchObject([{ probe: true }])
  for (const one of asked.filter((each) => !each.granted)) {
    expect(one).toMatchObject({ reason: 'probing' })
    expect(one.waitMs).toBeLessThanOrEqual(250)
  }
  const [row] = await db.execute(
    sql`SELECT count(*)::int AS probes FROM provider_access WHERE state = 'probing'`,
  )
  expect(row).toEqual({ probes: 1 })
})
