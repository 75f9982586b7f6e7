import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { pageOf, pagination } from '../../src/http/pagination.js'

const limits = fc.integer({ min: 1, max: 1_000 })
const pages = fc.integer({ min: 1, max: 1_000_000_000 })

test('pages cover every entry once', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5_000 }), limits, (count, limit) => {
      const total = pagination(pageOf({ limit }, 5), count).pages
      const covered = Array.from({ length: total }, (_, index) =>
        pageOf({ limit, page: index + 1 }, 5),
      ).flatMap((page) =>
        Array.from({ length: Math.min(limit, count - page.offset) }, (_, index) => page.offset + index),
      )
      expect(covered).toStrictEqual(Array.from({ length: count }, (_, index) => index))
    }),
  )
})

test('the offset of every page that may be asked for is an exact number', () => {
  fc.assert(
    fc.property(limits, pages, (limit, page) => {
      const { offset } = pageOf({ limit, page }, 5)
      expect(Number.isSafeInteger(offset + limit)).toBe(true)
      expect(BigInt(offset)).toBe((BigInt(page) - 1n) * BigInt(limit))
    }),
  )
})

test('size is another name of limit, and a standard holds without either', () => {
  fc.assert(
    fc.property(limits, pages, (limit, page) => {
      expect(pageOf({ size: limit, page }, 5)).toStrictEqual(pageOf({ limit, page }, 5))
      expect(pageOf({ page }, limit)).toStrictEqual(pageOf({ limit, page }, 5))
    }),
  )
})
