import { discardRequest, readGate, reserveRequest } from '@stockpile/db/ledger'
import { noteClockJump, settleLedger } from '@stockpile/db/ledger-clock'
import type { ClockReading } from '@stockpile/db/ledger-clock'
import { limitsFor } from '@stockpile/db/limits'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DatabaseClock } from '../../src/quota/database-clock.js'
import { useSystem } from '../system.js'

const HOUR_MS = 3_600_000

describe('the judge of a clock', () => {
  const reading = (ledgerMs: number, jumps = 0): ClockReading => ({
    ledgerMs,
    jumps,
    lastJump: null,
    newestId: 0,
    isBehind: false,
  })

  test('finds a jump from either side, whatever the way there and back takes, and none where there is none', () => {
    const way = fc.nat(3_000)
    const jump = fc.oneof(
      fc.constant(0),
      fc.integer({ min: 10_000, max: 9e7 }),
      fc.integer({ min: -9e7, max: -10_000 }),
    )
    fc.assert(
      fc.property(
        way,
        way,
        way,
        way,
        fc.nat(9e7),
        jump,
        (before, after, nextBefore, nextAfter, passed, jumped) => {
          const clock = new DatabaseClock()
          expect(clock.judge(reading(1e12), { fromMs: 1_000 - before, toMs: 1_000 + after })).toBe(0)
          const asked = { fromMs: 1_000 + passed - nextBefore, toMs: 1_000 + passed + nextAfter }
          const found = clock.judge(reading(1e12 + passed + jumped), asked)
          // Never less than it was: what is noted by the clock seems newer then, and not older.
          expect(found).toBeGreaterThanOrEqual(jumped)
          expect(found).toBeLessThanOrEqual(jumped === 0 ? 0 : jumped + after + nextBefore)
        },
      ),
    )
  })

  test('goes on to find it until the ledger has moved along', () => {
    const clock = new DatabaseClock()
    clock.judge(reading(0), { fromMs: 0, toMs: 1 })
    expect(clock.judge(reading(HOUR_MS), { fromMs: 10, toMs: 11 })).toBeGreaterThan(HOUR_MS - 20)
    expect(clock.judge(reading(HOUR_MS), { fromMs: 12, toMs: 13 })).toBeGreaterThan(HOUR_MS - 20)
    expect(clock.judge(reading(14, 1), { fromMs: 14, toMs: 15 })).toBe(0)
  })

  test('takes no jump that another worker has reported for one back', () => {
    const clock = new DatabaseClock()
    // Its first reading was after the jump, and before that was known.
    clock.judge(reading(HOUR_MS), { fromMs: 0, toMs: 1 })
    expect(clock.judge(reading(10, 1), { fromMs: 10, toMs: 11 })).toBe(0)
    expect(clock.judge(reading(20, 1), { fromMs: 20, toMs: 21 })).toBe(0)
  })

  test('tells a jump back from one that another worker has reported, by which of them its last reading was before', () => {
    const lastJump = { ms: HOUR_MS, afterMs: HOUR_MS + 5 }
    const isBack = { ...reading(20 - HOUR_MS, 1), lastJump }
    const before = new DatabaseClock()
    before.judge(reading(0), { fromMs: 0, toMs: 1 })
    expect(before.judge(isBack, { fromMs: 20, toMs: 21 })).toBeCloseTo(-HOUR_MS, -2)
    const after = new DatabaseClock()
    after.judge(reading(HOUR_MS + 10), { fromMs: 10, toMs: 11 })
    expect(after.judge({ ...reading(20, 1), lastJump }, { fromMs: 20, toMs: 21 })).toBe(0)
  })
})

const WINDOW_MS = 60_000
const MAX = 4
const DAY_MAX = 9
const limits = limitsFor(
  { perSecond: 0, perMinute: MAX, perDay: DAY_MAX },
  { second: 1_000, minute: WINDOW_MS, day: 10 * HOUR_MS },
)
const [, minute, day] = limits

describe('a ledger whose clock is set', () => {
  const system = useSystem()

  type Step =
    | { kind: 'pass'; ms: number }
    | { kind: 'jump'; ms: number }
    | { kind: 'right' }
    | { kind: 'send'; worker: number; wayMs: number }
    | { kind: 'look'; worker: number; wayMs: number }
  const worker = fc.nat(2)
  const wayMs = fc.nat(800)
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('pass' as const),
        ms: fc.oneof(fc.nat(70_000), fc.nat(4 * HOUR_MS)),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('jump' as const),
        // Tens of seconds: a jump of less than two seconds is not seen.
        ms: fc
          .oneof(fc.integer({ min: -4_000, max: 4_000 }), fc.integer({ min: -9, max: 9 }))
          .map((tens) => tens * 10_000),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'right' as const }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('send' as const), worker, wayMs }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('look' as const), worker, wayMs }) },
  )

  test('lets no true window exceed its limit, and keeps nobody waiting once it is right', async () => {
    const { db } = system
    await db.execute(`CREATE TABLE test_clock AS SELECT '2026-11-02T00:00:00Z'::timestamptz AS now`)
    await db.execute(`
      CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT now FROM test_clock'`)
    const start = Date.parse('2026-11-02T00:00:00Z')

    const play = async (steps: readonly Step[]) => {
      await db.execute(`TRUNCATE provider_requests, provider_access`)
      await db.execute(`
        INSERT INTO provider_access (key_fingerprint, function, outputsize, state) VALUES ('key', 'DAILY', 'compact', 'accepted')`)
      await db.execute(`UPDATE provider_state SET clock_jumps = 0, clock_offset_ms = 0`)
      let trueMs = 0
      let offsetMs = 0
      const sent: number[] = []
      const clocks = Array.from({ length: 3 }, () => new DatabaseClock())
      const set = () =>
        db.execute(`UPDATE test_clock SET now = '${new Date(start + trueMs + offsetMs).toISOString()}'`)
      const pass = async (ms: number) => {
        trueMs += ms
        await set()
      }
      /** As quota.ts does; the way there and back takes true time. */
      const ask = async <T extends { clock: ClockReading }>(
        index: number,
        way: number,
        question: () => Promise<T>,
        undo: (answer: T) => Promise<void>,
      ): Promise<T> => {
        for (;;) {
          const fromMs = trueMs
          await pass(way)
          const answer = await question()
          await pass(way)
          const jumpMs = clocks[index]?.judge(answer.clock, { fromMs, toMs: trueMs }) ?? 0
          if (jumpMs === 0) return answer
          await undo(answer)
          await noteClockJump(db, {
            ms: jumpMs,
            seen: answer.clock.jumps,
            ...(clocks[index]?.evidence ?? { newestId: 0, afterMs: 0 }),
          })
        }
      }
      const look = (index: number, way: number) =>
        ask(
          index,
          way,
          () => readGate(db, { limits, fingerprint: 'key', aheadMs: 0 }),
          () => Promise.resolve(),
        )
      const send = async (index: number, way: number) => {
        let takenMs = 0
        const request = {
          limits,
          fingerprint: 'key',
          function: 'DAILY',
          outputsize: 'compact',
          itemId: null,
        }
        const reservation = await ask(
          index,
          way,
          () => {
            takenMs = trueMs
            return reserveRequest(db, request)
          },
          async (undone) => {
            if (undone.granted) await discardRequest(db, undone.id)
          },
        )
        if (reservation.granted) sent.push(takenMs + reservation.waitMs)
        return reservation
      }
      await set()
      for (const index of clocks.keys()) await look(index, 1)
      for (const one of steps) {
        if (one.kind === 'pass') await pass(one.ms)
        // Each looks every few seconds, and sleeps through no two jumps.
        if (one.kind === 'jump' || one.kind === 'right')
          for (const index of clocks.keys()) await look(index, 1)
        if (one.kind === 'jump') offsetMs += one.ms
        if (one.kind === 'right') offsetMs = 0
        if (one.kind === 'jump' || one.kind === 'right') await set()
        if (one.kind === 'send') await send(one.worker, one.wayMs)
        if (one.kind === 'look') await look(one.worker, one.wayMs)
      }
      const inOrder = sent.toSorted((left, right) => left - right)
      for (const limit of [minute, day])
        for (const [index, at] of inOrder.entries()) {
          const first = inOrder[index - (limit?.max ?? 0)] ?? -Infinity
          // A slot is rounded to the millisecond.
          expect(at - first).toBeGreaterThanOrEqual((limit?.windowMs ?? 0) - 1)
        }
      // The clock is right again: some windows of a day later at most there is room, whatever happened.
      offsetMs = 0
      await set()
      for (const index of clocks.keys()) await look(index, 1)
      let granted = false
      // What was booked between a jump back and its being seen may count as newer than it is by as much.
      for (let windows = 0; windows < 3 && !granted; windows += 1) {
        await pass(10 * HOUR_MS + WINDOW_MS)
        granted = (await send(0, 1)).granted
      }
      expect(granted).toBe(true)
    }
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), play), {
      numRuns: 60,
    })
  })

  test('forth and back, or back and forth, however far and for how long, it leaves a spent day as long as it is', async () => {
    const { db } = system
    await db.execute(`CREATE TABLE test_clock (now timestamptz)`)
    await db.execute(`INSERT INTO test_clock VALUES (clock_timestamp())`)
    await db.execute(`
      CREATE OR REPLACE FUNCTION ledger_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS 'SELECT now FROM test_clock'`)
    let clock = new DatabaseClock()
    let atMs = 0
    const pass = async (ms: number) => {
      atMs += ms
      await set(ms)
    }
    const set = (ms: number) => db.execute(`UPDATE test_clock SET now = now + ${ms} * interval '1 ms'`)
    const look = async () => {
      for (;;) {
        await pass(10)
        const gate = await readGate(db, { limits, fingerprint: 'key', aheadMs: 0 })
        const jumpMs = clock.judge(gate.clock, { fromMs: atMs, toMs: atMs })
        if (jumpMs === 0) return gate.closed
        expect(await noteClockJump(db, { ms: jumpMs, seen: gate.clock.jumps, ...clock.evidence })).toBe(true)
      }
    }
    /** Ages of requests of which a day has as many as it may, before the first jump; then jumps, and what passes after each. */
    const play = async (ages: readonly number[], jumps: readonly { ms: number; passMs: number }[]) => {
      await db.execute(`TRUNCATE provider_requests`)
      clock = new DatabaseClock()
      await db.execute(`
        INSERT INTO provider_requests (slot_at, outcome)
        SELECT now - age * interval '1 ms', 'accepted' FROM test_clock, unnest(ARRAY[${ages.join()}]) AS age ORDER BY age DESC`)
      let leftMs = 10 * HOUR_MS - Math.max(...ages)
      expect(await look()).toMatchObject({ reason: 'day' })
      for (const { ms, passMs } of jumps) {
        await set(ms)
        const beforeMs = atMs
        await look()
        await pass(passMs)
        const closed = await look()
        leftMs -= atMs - beforeMs
        const offMs = Math.abs((closed?.waitMs ?? 0) - Math.max(0, leftMs))
        // Near its end the day may be over or not.
        expect(Math.abs(leftMs) < 10_000 || offMs < 2_000).toBe(true)
      }
    }
    const far = fc.integer({ min: 10_000, max: 12 * HOUR_MS })
    const passMs = fc.oneof(fc.nat(60_000), fc.nat(2 * HOUR_MS))
    const excursion = fc
      .record({ far, isAhead: fc.boolean(), away: passMs, after: passMs })
      .map(({ far: ms, isAhead, away, after }) => [
        { ms: isAhead ? ms : -ms, passMs: away },
        { ms: isAhead ? -ms : ms, passMs: after },
      ])
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 61_000, max: 9 * HOUR_MS }), { minLength: DAY_MAX, maxLength: DAY_MAX }),
        fc.array(excursion, { minLength: 1, maxLength: 3 }),
        (ages, excursions) => play(ages, excursions.flat()),
      ),
      { numRuns: 40 },
    )
  })

  test('no wait is longer than its cause can make it, were it written by a clock that nobody saw jump', async () => {
    const { db } = system
    await db.execute(`
      INSERT INTO provider_requests (slot_at, outcome) SELECT now() + interval '3 hours', 'accepted' FROM generate_series(1, ${MAX})`)
    await db.execute(`
      INSERT INTO provider_keys (key_fingerprint, blocked_until, blocked_class, blocked_detail)
      VALUES ('key', now() + interval '2 days', 'throttled', 'Wait.')`)
    const look = async () => {
      const gate = await readGate(db, { limits, fingerprint: 'key', aheadMs: 0 })
      expect(gate.clock.isBehind).toBe(false)
      return gate.closed
    }
    await settleLedger(db)
    expect((await look())?.waitMs).toBeLessThanOrEqual(HOUR_MS)
    await db.execute(`UPDATE provider_keys SET blocked_until = NULL`)
    expect(await look()).toMatchObject({ reason: 'minute' })
    expect((await look())?.waitMs).toBeLessThanOrEqual(WINDOW_MS + 250)
    await db.execute(`
      UPDATE provider_state SET outage_since = now(), outage_class = 'network', outage_detail = 'x', outage_probe_at = now() + interval '9 hours',
        outage_probe_until = now() + interval '9 hours'`)
    await settleLedger(db)
    expect((await look())?.waitMs).toBeLessThanOrEqual(6 * HOUR_MS)
  })
})
