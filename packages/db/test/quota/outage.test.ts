import { sql } from 'drizzle-orm'
import { waitFor } from '@stockpile/test-harness/process'
import { expect, test } from 'vitest'
import { concludeRequest } from '../../src/quota/ledger-conclusion.js'
import { discardRequest, readGate, renewProbe, reserveRequest } from '../../src/quota/ledger.js'
import { noteUnanswered } from '../../src/quota/outage.js'
import type { OutageState } from '../../src/quota/outage.js'
import { acceptKey, granted, noLimits, requestOf } from './ledger-setup.js'
import { useConnection } from '../database.js'

const connection = useConnection()
const WAITS = { firstMs: 5_000, longestMs: 20_000, attemptMs: 3_600_000 }
const failure = { class: 'http_error', detail: 'HTTP 503', needed: 3, ...WAITS }
const failed = { outcome: 'http_error', answered: false, durationMs: 5, bytes: 0 }
const accepted = { outcome: 'accepted', answered: true, durationMs: 5, bytes: 100 }
const gate = async () =>
  (await readGate(connection.db, { limits: noLimits, fingerprint: 'key-1', aheadMs: 0 })).closed

/** Sends a request for the symbol that the provider does not answer. */
async function fail(symbol: string, values: Partial<typeof failure> = {}): Promise<OutageState> {
  const { id } = await granted(connection.db, { limits: noLimits })
  const outage = await noteUnanswered(connection.db, { ...failure, ...values, id, symbol })
  await concludeRequest(connection.db, id, failed)
  return outage
}

/** Moves the outage into the past, as if so much time had passed. */
async function pass(ms: number): Promise<void> {
  await connection.db.execute(sql`
    UPDATE provider_state SET outage_since = outage_since - ${ms} * interval '1 ms',
      outage_probe_at = outage_probe_at - ${ms} * interval '1 ms',
      outage_probe_until = outage_probe_until - ${ms} * interval '1 ms'`)
}

test('three different symbols in a row that nobody answers make an outage; an answer in between, or one symbol alone, does not', async () => {
  const { db } = connection
  await acceptKey(db)
  for (const symbol of ['A', 'A', 'B', 'A', 'B', 'A']) expect(await fail(symbol)).toEqual({ isOpen: false })
  expect(await concludeRequest(db, (await granted(db, { limits: noLimits })).id, accepted)).toBeNull()
  for (const symbol of ['A', 'B']) expect(await fail(symbol)).toEqual({ isOpen: false })
  expect(await gate()).toBeNull()
  expect(await fail('C')).toEqual({ isOpen: true, isNew: true, isAttempt: false, waitMs: 5_000 })
  const closed = await gate()
  expect(closed).toMatchObject({ reason: 'outage', class: 'http_error', detail: 'HTTP 503' })
  expect(closed?.waitMs).toBeGreaterThan(4_000)
})

test('one request that cannot even be sent is enough', async () => {
  await acceptKey(connection.db)
  expect(await fail('A', { needed: 1, class: 'network' })).toMatchObject({ isOpen: true, isNew: true })
})

test('one probe at a time finds out over all workers whether it is over, each twice as late as the last, up to the longest', async () => {
  const { db } = connection
  await acceptKey(db)
  await fail('A', { needed: 1 })
  const waits: number[] = []
  for (const symbol of ['B', 'C', 'D', 'E']) {
    await pass(20_000)
    const asking = Array.from({ length: 6 }, () => reserveRequest(db, requestOf({ limits: noLimits })))
    const reservations = await Promise.all(asking)
    const probes = reservations.filter((one) => one.granted)
    expect(probes).toMatchObject([{ probe: true }])
    for (const other of reservations.filter((one) => !one.granted))
      expect(other).toMatchObject({ reason: 'outage' })
    const id = probes[0]?.id ?? 0
    const outage = await noteUnanswered(db, { ...failure, id, symbol, needed: 1 })
    await concludeRequest(db, id, failed)
    if (outage.isOpen) waits.push(outage.waitMs)
  }
  expect(waits).toEqual([10_000, 20_000, 20_000, 20_000])
})

/** Counts the probes of an outage that lasts so long, each sent as soon as it may be, and how many are charged as attempts. */
async function outlast(waits: typeof WAITS, lastingMs: number) {
  const { db } = connection
  await acceptKey(db)
  for (const symbol of ['A', 'B']) await fail(symbol, waits)
  let outage = await fail('C', waits)
  const counted = { probes: 0, attempts: 0 }
  let lastedMs = 0
  while (outage.isOpen && lastedMs + outage.waitMs <= lastingMs) {
    lastedMs += outage.waitMs
    await pass(outage.waitMs)
    outage = await fail('ABC'.charAt(counted.probes % 3), waits)
    counted.probes += 1
    if (outage.isOpen && outage.isAttempt) counted.attempts += 1
  }
  return counted
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const frequent = { firstMs: 5_000, longestMs: 25_000, attemptMs: HOUR_MS }
const sparing = { firstMs: 3 * MINUTE_MS, longestMs: 6 * HOUR_MS, attemptMs: HOUR_MS }

test.each([
  { waits: sparing, lastingMs: 10 * MINUTE_MS, expected: { probes: 2, attempts: 0 } },
  { waits: sparing, lastingMs: 24 * HOUR_MS, expected: { probes: 9, attempts: 6 } },
  // Three symbols of which every request fails have 15 attempts in all, of which two were spent before the outage.
  { waits: sparing, lastingMs: 67 * HOUR_MS, expected: { probes: 17, attempts: 14 } },
  { waits: frequent, lastingMs: 10 * MINUTE_MS, expected: { probes: 25, attempts: 0 } },
  { waits: frequent, lastingMs: 2 * HOUR_MS, expected: { probes: 289, attempts: 2 } },
])(
  'probes after $waits.firstMs … $waits.longestMs ms cost in an outage of $lastingMs ms $expected.probes requests and $expected.attempts attempts, one an hour at most',
  async ({ waits, lastingMs, expected }) => {
    expect(await outlast(waits, lastingMs)).toEqual(expected)
  },
  120_000,
)

test('a long time in which nothing could be sent does not delay the next probe for hours when the first one fails', async () => {
  const { db } = connection
  await acceptKey(db)
  let outage = await fail('A', { ...frequent, needed: 1 })
  for (let probe = 0; probe < 40 && outage.isOpen; probe += 1) {
    await pass(outage.waitMs)
    outage = await fail('A', { ...frequent, needed: 1 })
  }
  expect(outage).toMatchObject({ waitMs: 25_000 })
  await pass(25_000)
  const sent = await fail('A', sparing)
  expect(sent.isOpen ? sent.waitMs : Infinity).toBeLessThanOrEqual(12 * MINUTE_MS)
})

test('any answer ends it for all, and says how long it lasted', async () => {
  const { db } = connection
  await acceptKey(db)
  await fail('A', { needed: 1 })
  await pass(5_000)
  const probe = await granted(db, { limits: noLimits })
  const lastedMs = await concludeRequest(db, probe.id, { ...accepted, outcome: 'invalid_symbol' })
  expect(lastedMs).toBeGreaterThanOrEqual(0)
  expect(await gate()).toBeNull()
  expect(await granted(db, { limits: noLimits })).toMatchObject({ probe: false })
  expect(await fail('B')).toEqual({ isOpen: false })
})

test('a probe that was not sent, or was given up, leaves the next one to somebody else at once; of a lost one nobody waits for long', async () => {
  const { db } = connection
  await acceptKey(db)
  await fail('A', { needed: 1 })
  await pass(5_000)
  await discardRequest(db, (await granted(db, { limits: noLimits })).id)
  const aborted = await granted(db, { limits: noLimits })
  await concludeRequest(db, aborted.id, { ...failed, outcome: 'aborted' })
  expect(await granted(db, { limits: noLimits })).toMatchObject({ probe: true })
  expect(await gate()).toMatchObject({ reason: 'outage' })
  await pass(6_100)
  expect(await gate()).toBeNull()
})

test('what was under way when it opened neither hastens nor delays the probe', async () => {
  const { db } = connection
  await acceptKey(db)
  const late = await granted(db, { limits: noLimits })
  await fail('A', { needed: 1 })
  const outage = await noteUnanswered(db, { ...failure, id: late.id, symbol: 'B' })
  expect(outage).toMatchObject({ isOpen: true, isNew: false })
  expect(outage.isOpen ? outage.waitMs : Infinity).toBeLessThanOrEqual(5_000)
})

test.each([
  ['first', 'second'],
  ['second', 'first'],
])(
  'a probe that is renewed %s and concluded %s, both kept waiting, never wait for each other',
  async (renewed) => {
    const { db } = connection
    await acceptKey(db)
    await fail('A', { needed: 1 })
    await pass(20_000)
    // With another key, the request probes both the key and the provider.
    const { id, probe } = await granted(db, { limits: noLimits, fingerprint: 'key-2' })
    expect(probe).toBe(true)
    const other = connection.open().db
    const waiting = (sessions: number) =>
      waitFor(
        async () =>
          (
            await other.execute(sql`
          SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
          ).length === sessions,
        { deadlineMs: 10_000, what: 'a session that waits' },
      )
    const works = [() => renewProbe(db, id), () => concludeRequest(db, id, accepted)]
    if (renewed === 'second') works.reverse()
    let done: Promise<unknown> = Promise.resolve()
    await other.transaction(async (keeper) => {
      await keeper.execute(sql`SELECT FROM provider_access WHERE probe_id = ${id} FOR UPDATE`)
      const begun: Promise<unknown>[] = []
      for (const work of works) {
        begun.push(work())
        await waiting(begun.length)
      }
      done = Promise.all(begun)
      done.catch(() => {})
    })
    // A deadlock would reject one of the two.
    await done
    const [state] = await db.execute<{ since: string | null; access: string }>(sql`
    SELECT outage_since AS since, (SELECT state FROM provider_access WHERE key_fingerprint = 'key-2') AS access FROM provider_state`)
    expect(state).toEqual({ since: null, access: 'accepted' })
  },
)
