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
