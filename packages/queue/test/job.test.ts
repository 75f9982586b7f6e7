import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  InvalidJobError,
  itemIdOf,
  jobData,
  jobIdOf,
  parseJobData,
  JOB_PRIORITIES,
  priorityBehind,
} from '../src/job.js'
import { backoffMs, MAX_ATTEMPTS } from '../src/retry-policy.js'

const runId = '019a0000-0000-7000-8000-000000000000'

describe('a payload', () => {
  test('survives its way through the queue', () => {
    const data = jobData({ itemId: 7, runId, symbol: 'BRK-B' })
    expect(parseJobData(JSON.parse(JSON.stringify(data)))).toEqual(data)
  })

  test('of another version is refused as such', () => {
    const of = (version: unknown) => () =>
      parseJobData({ ...jobData({ itemId: 7, runId, symbol: 'IBM' }), version })
    expect(of(2)).toThrow(expect.objectContaining({ class: 'unsupported_version' }))
    expect(of(0)).toThrow(expect.objectContaining({ class: 'unsupported_version' }))
    expect(of('1')).toThrow(expect.objectContaining({ class: 'invalid_payload' }))
  })

  test('that is none is refused with what is wrong, whatever it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(() => parseJobData(value)).toThrow(InvalidJobError)
      }),
    )
    expect(() => parseJobData({ version: 1, itemId: 7, runId, symbol: 'IBM', key: 'x' })).toThrow(
      /not valid: payload: .*key/,
    )
  })
})

test('a job id leads back to its item, and to nothing else', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (id) => {
      expect(itemIdOf(jobIdOf(id))).toBe(id)
    }),
  )
  for (const foreign of [undefined, '', '7', 'item-0', 'item-07', 'item-1.5', 'item-1 ', 'repeat:x'])
    expect(itemIdOf(foreign)).toBeNull()
})

describe('the retry policy', () => {
  test('keeps to the schedule that its documentation states', () => {
    const range = (attempt: number) => [backoffMs(attempt, () => 0), backoffMs(attempt, () => 1)]
    expect([1, 2, 3, 4].map(range)).toEqual([
      [2_500, 5_000],
      [10_000, 20_000],
      [40_000, 80_000],
      [160_000, 320_000],
    ])
  })

  test('never shortens with the attempts, and is bounded', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, random) => {
          const wait = backoffMs(attempt, () => random)
          expect(wait).toBeGreaterThanOrEqual(2_500)
          expect(wait).toBeLessThanOrEqual(320_000)
          expect(backoffMs(attempt + 1, () => random)).toBeGreaterThanOrEqual(wait)
        },
      ),
    )
    expect(MAX_ATTEMPTS).toBe(5)
  })
})

test('a job that goes behind the others of its priority, however often, stays before those of the next', () => {
  const { high, normal, low } = JOB_PRIORITIES
  for (const [own, next] of [
    [high, normal],
    [normal, low],
    [low, 2 ** 21],
  ] as const) {
    let priority: number = own
    for (let times = 0; times < 2_000; times++) {
      const behind = priorityBehind(priority)
      expect(behind).toBeGreaterThanOrEqual(Math.min(priority + 1, behind))
      expect(behind).toBeLessThan(next)
      priority = behind
    }
    expect(priority).toBeGreaterThan(own + 800)
  }
})
