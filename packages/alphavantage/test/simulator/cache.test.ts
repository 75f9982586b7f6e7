import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { byteCache } from '../../src/simulator/series/byte-cache.js'

it('the cache of bodies keeps the most recently used ones that fit, and no more bytes than its limit', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 100 }), (sizes) => {
      const limit = 20
      const cached = byteCache(limit)
      let recent: number[] = []
      for (const size of sizes) {
        let made = false
        const body = cached(String(size), () => {
          made = true
          return Buffer.alloc(size)
        })
        expect(body).toHaveLength(size)
        expect(made).toBe(!recent.includes(size))
        recent = [...recent.filter((kept) => kept !== size), size]
        while (recent.reduce((sum, kept) => sum + kept, 0) > limit) recent.shift()
      }
    }),
  )
})

it('a body larger than the whole cache is handed out and displaces nothing', () => {
  const cached = byteCache(10)
  const small = cached('small', () => Buffer.alloc(5))
  expect(cached('large', () => Buffer.alloc(11))).toHaveLength(11)
  expect(cached('small', () => Buffer.alloc(0))).toBe(small)
})
