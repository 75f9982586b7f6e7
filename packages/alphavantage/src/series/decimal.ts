// Decimals as the provider writes them, compared as text, since a float would round them first. A canonical decimal has no
// sign, no exponent and no leading zero; trailing zeros are allowed and carry no value.

/** The source of a regular expression for a canonical price. The lengths are far beyond any price and bound the number. */
export const PRICE_SOURCE = String.raw`(?:0|[1-9]\d{0,14})(?:\.\d{1,18})?`

/**
 * The source of a regular expression for a canonical volume. It allows as many digits before the point as 2^63 has, far more
 * than shares were ever traded in a day, and the fractions of fractional shares, which vendors have counted since February 2026.
 */
export const VOLUME_SOURCE = String.raw`(?:0|[1-9]\d{0,18})(?:\.\d{1,18})?`

const DOT = 46
const ZERO = 48

/** Compares two canonical decimals exactly: less than 0 when `a` is less, 0 when both have one value, else more than 0. */
export function compareDecimals(a: string, b: string): number {
  const dotA = a.indexOf('.')
  // With the point at one place, as nearly always within a row, the texts have the order of the values.
  if (a.length === b.length && b.charCodeAt(dotA) === DOT) return a < b ? -1 : a === b ? 0 : 1
  const dotB = b.indexOf('.')
  const wholeA = dotA === -1 ? a.length : dotA
  const wholeB = dotB === -1 ? b.length : dotB
  // There are no leading zeros, so the decimal with more digits before the point is greater.
  if (wholeA !== wholeB) return wholeA - wholeB
  const common = Math.min(a.length, b.length)
  const headA = a.slice(0, common)
  const headB = b.slice(0, common)
  if (headA !== headB) return headA < headB ? -1 : 1
  if (hasDigitAboveZero(a, common)) return 1
  return hasDigitAboveZero(b, common) ? -1 : 0
}

/** Whether a canonical decimal is zero, however many zeros it is written with. */
export function isZero(decimal: string): boolean {
  return decimal.charCodeAt(0) === ZERO && !hasDigitAboveZero(decimal, 1)
}

/** The shortest text of the same value: `1.50` and `1.5` are equal, and so are `12345.0` and `12345`. */
export function shortest(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}

function hasDigitAboveZero(decimal: string, from: number): boolean {
  for (let i = from; i < decimal.length; i++) {
    const code = decimal.charCodeAt(i)
    if (code !== ZERO && code !== DOT) return true
  }
  return false
}
