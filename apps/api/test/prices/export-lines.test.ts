import { BAR_COLUMNS } from '@stockpile/domain/bar'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { writeLines } from '../../src/prices/export-lines.js'

const text = fc.stringMatching(/^[A-Z0-9.^&()=+*$#@!_~: /-]{1,32}$/)
const values = fc.option(text, { freq: 9 })
const columns = fc.subarray([...BAR_COLUMNS], { minLength: 1 })
const rows = columns.chain((names) =>
  fc.tuple(
    fc.constant(names),
    fc.array(fc.array(values, { minLength: names.length, maxLength: names.length }), {
      maxLength: 3_000,
      size: 'max',
    }),
  ),
)

test('lines of values become an object each, an empty value null, whatever the columns, in pieces that a slow reader can take', () => {
  fc.assert(
    fc.property(rows, ([names, table]) => {
      const lines = Buffer.from(
        table.map((cells) => `${cells.map((cell) => cell ?? '').join(',')}\n`).join(''),
      )
      const pieces = [...writeLines(lines, { format: 'ndjson', columns: names })]
      const expected = table.map((cells) =>
        JSON.stringify(Object.fromEntries(names.map((name, index) => [name, cells[index]]))),
      )
      expect(Buffer.concat(pieces.map((piece) => Buffer.from(piece))).toString()).toBe(
        expected.map((line) => `${line}\n`).join(''),
      )
      for (const piece of pieces) expect(piece.length).toBeLessThan(128 * 1024)
    }),
    { numRuns: 50 },
  )
})

test('lines of CSV stay what they are', () => {
  const lines = Buffer.alloc(200_000, 'IBM,2023-01-03\r\n')
  const pieces = [...writeLines(lines, { format: 'csv', columns: ['symbol', 'date'] })]
  expect(Buffer.concat(pieces.map((piece) => Buffer.from(piece)))).toStrictEqual(lines)
  expect(pieces.length).toBe(7)
})
