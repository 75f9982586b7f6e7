import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { slowness } from '@stockpile/test-harness/patience'
import { LIMIT_NAMES } from '@stockpile/domain/limit'
import type { Limit } from '@stockpile/domain/limit'
import { limitsFor, marginMs } from '../../src/quota/limits.js'
import { forecast, nextSlot } from '../../src/quota/slots.js'
import { useConnection } from '../database.js'

const limit = fc.record({
  name: fc.constantFrom(...LIMIT_NAMES),
  max: fc.nat({ max: 4 }),
  windowMs: fc.integer({ min: 1, max: 12 }),
  marginMs: fc.nat({ max: 2 }),
})
const limits = fc.array(limit, { maxLength: 3 })
const instants = (max: number) => fc.array(fc.integer({ min: -30, max: 3 }), { maxLength: max })
const ascending = (times: readonly number[]) => times.toSorted((one, other) => one - other)

/** Checks the limit by its definition: no window that begins with a request holds more than the maximum. */
function keeps(times: readonly number[], { max, windowMs, marginMs: margin }: Limit): boolean {
  const inWindow = (from: number) =>
    times.filter((time) => time >= from && time < from + windowMs + margin).length
  return max === 0 || times.every((time) => inWindow(time) <= max)
}
const keepsAll = (times: readonly number[], all: readonly Limit[]) => all.every((one) => keeps(times, one))

describe('the next slot', () => {
  test('never brings any sliding window of any limit over its maximum, whenever requests are made', () => {
    const waits = fc.array(fc.nat({ max: 6 }), { maxLength: 40 })
    fc.assert(
      fc.property(limits, waits, (all, pauses) => {
        const sent: number[] = []
        let now = 0
        for (const pause of pauses) {
          now += pause
          sent.push(nextSlot(ascending(sent), all, now))
        }
        expect(keepsAll(sent, all)).toBe(true)
      }),
    )
  })

  test('adds no violation to a ledger that others overdrew', () => {
    fc.assert(
      fc.property(limits, instants(12), (all, known) => {
        const slot = nextSlot(ascending(known), all, 0)
        for (const one of all) {
          const span = one.windowMs + one.marginMs
          const together = [...known, slot].filter((time) => Math.abs(time - slot) < span)
          const fits = (from: number) =>
            together.filter((time) => time >= from && time < from + span).length <= one.max
          const windowsWithSlot = together.filter((time) => time <= slot)
          expect(one.max === 0 || windowsWithSlot.every(fits)).toBe(true)
        }
      }),
    )
  })

  test('is never earlier for asking later, nor for more history', () => {
    fc.assert(
      fc.property(limits, instants(12), instants(12), fc.nat({ max: 9 }), (all, known, more, later) => {
        const slot = nextSlot(ascending(known), all, 0)
        expect(nextSlot(ascending(known), all, later)).toBeGreaterThanOrEqual(slot)
        expect(nextSlot(ascending([...known, ...more]), all, 0)).toBeGreaterThanOrEqual(slot)
      }),
    )
  })
})

describe('the forecast', () => {
  test('is the next slot, taken again and again', () => {
    fc.assert(
      fc.property(
        limits,
        instants(12),
        fc.option(fc.integer({ min: -5, max: 9 })),
        fc.nat({ max: 20 }),
        (all, sent, blockedUntil, requests) => {
          const known = [...sent]
          const expected = Array.from({ length: requests }, () => {
            const slot = nextSlot(ascending(known), all, Math.max(0, blockedUntil ?? 0))
            known.push(slot)
            return slot
          })
          expect(forecast({ now: 0, sent, limits: all, blockedUntil, requests })).toEqual(expected)
        },
      ),
    )
  })

  test('has no request that any valid schedule sends earlier', () => {
    const small = fc.array(
      fc.record({
        name: fc.constantFrom(...LIMIT_NAMES),
        max: fc.integer({ min: 1, max: 3 }),
        windowMs: fc.integer({ min: 1, max: 6 }),
        marginMs: fc.nat({ max: 1 }),
      }),
      { maxLength: 2 },
    )
    const history = fc.array(fc.integer({ min: -8, max: 0 }), { maxLength: 4 })
    fc.assert(
      fc.property(small, history, (all, drawn) => {
        // A history that keeps the limits: beside a violation in it no request would fit.
        const known: number[] = []
        for (const time of ascending(drawn)) if (keepsAll([...known, time], all)) known.push(time)
        const earliest = [Infinity, Infinity, Infinity]
        const extend = (schedule: number[]): void => {
          const from = schedule.at(-1) ?? 0
          for (let time = from; schedule.length < 3 && time <= 22; time++) {
            const longer = [...schedule, time]
            if (!keepsAll([...known, ...longer], all)) continue
            earliest[schedule.length] = Math.min(earliest[schedule.length] ?? Infinity, time)
            extend(longer)
          }
        }
        extend([])
        expect(forecast({ now: 0, sent: known, limits: all, blockedUntil: null, requests: 3 })).toEqual(
          earliest,
        )
      }),
      { numRuns: 60 },
    )
  })

  test('of 500 symbols at 25 a day is 19 days, and begins when a block ends', () => {
    const free = limitsFor({ perSecond: 1, perMinute: 0, perDay: 25 })
    const slots = forecast({ now: 0, sent: [], limits: free, blockedUntil: null, requests: 500 })
    // Each day ends late by its margin of a second, and the last of 25 requests follows the first by 24 × 1.4 s.
    expect(slots.at(-1)).toBe(19 * 86_401_000 + 24 * 1_400)
    const blocked = forecast({ now: 0, sent: [], limits: free, blockedUntil: 5_000, requests: 500 })
    expect(blocked).toEqual(slots.map((slot) => slot + 5_000))
  })

  test('of 100,000 requests takes no time', () => {
    const startedAt = performance.now()
    const { length } = forecast({
      now: 0,
      sent: [],
      limits: limitsFor({ perSecond: 20, perMinute: 1_200, perDay: 0 }),
      blockedUntil: null,
      requests: 100_000,
    })
    expect(length).toBe(100_000)
    expect(performance.now() - startedAt).toBeLessThan(1_000 * slowness())
  })
})

describe('a margin', () => {
  test('is 250 ms of a minute, 1 s of a day, 90 ms of a second, and 400 ms where a second allows one or two', () => {
    expect(marginMs(60_000, 75)).toBe(250)
    expect(marginMs(86_400_000, 25)).toBe(1_000)
    expect(marginMs(1_000, 20)).toBe(90)
    expect([marginMs(1_000, 1), marginMs(1_000, 2)]).toEqual([400, 400])
    expect(marginMs(2_000, 1)).toBe(90)
  })
})

describe('the SQL of the ledger', () => {
  const connection = useConnection()

  test('answers what the arithmetic here does, for any ledger and any limits', async () => {
    const { db } = connection
    const now = Date.UTC(2026, 10, 22)
    await fc.assert(
      fc.asyncProperty(limits, instants(12), async (all, known) => {
        await db.execute(sql`
          WITH emptied AS (DELETE FROM provider_requests)
          INSERT INTO provider_requests (slot_at)
          SELECT to_timestamp((${now}::float8 + at) / 1000) FROM jsonb_array_elements_text(${JSON.stringify(known)}::text::jsonb) AS t(text), LATERAL (SELECT text::float8 AS at)`)
        const [row] = await db.execute<{ slot: number }>(sql`
          SELECT round(extract(epoch FROM greatest(to_timestamp(${now}::float8 / 1000), max(frees_at))) * 1000)::float8 AS slot
            FROM provider_limits(${JSON.stringify(all)}::text::jsonb, NULL, to_timestamp(${now}::float8 / 1000))`)
        expect(row?.slot).toBe(
          nextSlot(
            ascending(known).map((at) => now + at),
            all,
            now,
          ),
        )
      }),
      { numRuns: 200 },
    )
  })
})
