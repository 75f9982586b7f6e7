import fc from 'fast-check'
import { expect, test } from 'vitest'
import { paint, type Line } from '../../src/terminal/paint.js'
import { wrap } from '../../src/terminal/wrap.js'

const text = (line: Line) => paint(line, { colours: false })
const wrapped = (line: Line, width: number, cutWords = true) => wrap(line, width, { cutWords }).map(text)

test('What is broken goes on below the span that hangs', () => {
  const line: Line = [{ text: '  ✗ IBM  ' }, { text: 'failed: not known. Check it.', hang: true }]
  expect(wrapped(line, 26)).toEqual(['  ✗ IBM  failed: not', '         known. Check it.'])
})

test('A command stays in one piece, for the terminal to break: what is copied must run', () => {
  const line: Line = [{ text: '  SQL  ' }, { text: 'psql -h 127.0.0.1 stockpile', hang: true, whole: true }]
  expect(wrapped(line, 20, false)).toEqual(['  SQL  psql -h 127.0.0.1 stockpile'])
})

test('No line is wider than the terminal, nothing is lost, and no word is broken that fits', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '.', '-'), minLength: 1, maxLength: 30 })
  const span = fc.record({
    text: fc.array(word, { maxLength: 12 }).map((words) => `${words.join(' ')} `),
    hang: fc.constantFrom(true as const, undefined),
  })
  const lines = fc
    .array(span, { minLength: 1, maxLength: 5 })
    .map((spans) =>
      spans.map(({ text: of, hang }) => (hang === undefined ? { text: of } : { text: of, hang })),
    )
  fc.assert(
    fc.property(lines, fc.integer({ min: 10, max: 120 }), (line, width) => {
      const rows = wrapped(line, width)
      for (const row of rows) expect(row.trimEnd().length).toBeLessThanOrEqual(width)
      const squeezed = (of: string) => of.replaceAll(/\s+/g, '')
      expect(squeezed(rows.join(''))).toBe(squeezed(text(line)))
      const words = new Set(
        text(line)
          .split(/\s+/)
          .filter((of) => of !== '' && of.length <= width / 2),
      )
      for (const of of words) expect(rows.some((row) => row.split(/\s+/).includes(of))).toBe(true)
    }),
  )
})
