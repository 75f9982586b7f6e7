import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseRetryAfter } from '../../src/client/retry-after.js'

const NOW = new Date('2026-05-17T12:00:00Z')

describe('Retry-After', () => {
  it.each([
    ['seconds', '90', 90_000],
    ['an HTTP date', 'Sun, 17 May 2026 12:02:00 GMT', 120_000],
    ['nothing to wait for', '0', 1_000],
    ['a date that has passed', 'Sun, 17 May 2026 11:00:00 GMT', 1_000],
    ['a week', '604800', 3_600_000],
    ['more digits than a number holds', '9'.repeat(400), 3_600_000],
  ])('may be %s', (_what, header, waitMs) => expect(parseRetryAfter(header, NOW)).toBe(waitMs))

  it.each([null, '', ' ', '-5', '1.5', 'soon', '2026-05-18', 'Sunday'])('is not known from %j', (header) =>
    expect(parseRetryAfter(header, NOW)).toBeNull(),
  )

  it('is always between a second and an hour, or null', () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        const waitMs = parseRetryAfter(header, NOW) ?? 1_000
        expect(waitMs).toBeGreaterThanOrEqual(1_000)
        expect(waitMs).toBeLessThanOrEqual(3_600_000)
      }),
    )
  })
})
