import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareDecimals, isZero, shortest } from '../../src/series/decimal.js'

const SCALE = 8
const whole = fc.bigInt({ min: 0n, max: 10n ** 12n })
const fraction = fc.option(fc.stringMatching(/^\d{1,8}$/), { nil: '' })
const decimal = fc
  .tuple(whole, fraction)
  .map(([digits, rest]) => (rest === '' ? String(digits) : `${digits}.${rest}`))

/** Reads a decimal as an exact number of units of 10^-8. */
function scaled(text: string): bigint {
  const [digits = '', rest = ''] = text.split('.')
  return BigInt(digits + rest.padEnd(SCALE, '0'))
}

describe('decimals', () => {
  it('compare as their exact values do', () => {
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        const difference = scaled(a) - scaled(b)
        expect(Math.sign(compareDecimals(a, b))).toBe(difference < 0n ? -1 : difference > 0n ? 1 : 0)
      }),
    )
  })

  it('compare alike however many zeros they end in', () => {
    fc.assert(
      fc.property(decimal, fc.integer({ min: 1, max: 5 }), (a, zeros) => {
        const longer = `${a.includes('.') ? a : `${a}.`}${'0'.repeat(zeros)}`
        expect(compareDecimals(a, longer)).toBe(0)
        expect(compareDecimals(longer, a)).toBe(0)
      }),
    )
  })

  it('have one shortest text for all that are equal', () => {
    fc.assert(
      fc.property(decimal, decimal, (a, b) => {
        expect(compareDecimals(shortest(a), a)).toBe(0)
        expect(shortest(a) === shortest(b)).toBe(compareDecimals(a, b) === 0)
      }),
    )
    for (const one of ['100', '100.0', '100.000']) expect(shortest(one)).toBe('100')
  })

  it('differ where a float would not tell them apart', () => {
    expect(compareDecimals('900719925474099.2001', '900719925474099.2002')).toBeLessThan(0)
    expect(compareDecimals('0.30', '0.3000000000000000001')).toBeLessThan(0)
  })

  it('are zero only by value', () => {
    fc.assert(
      fc.property(fc.oneof(decimal, fc.stringMatching(/^0(\.0{1,8})?$/)), (a) => {
        expect(isZero(a)).toBe(scaled(a) === 0n)
      }),
    )
  })
})
