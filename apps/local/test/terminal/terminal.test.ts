import { expect, test } from 'vitest'
import type { Line } from '../../src/terminal/paint.js'
import { createTerminal } from '../../src/terminal/terminal.js'

/** A screen that shows lines, and understands the few escape sequences that a terminal of npm start writes. */
function createScreen(size: { columns?: number; rows?: number }) {
  const lines = ['']
  return {
    ...size,
    lines,
    write(output: string): void {
      for (const piece of output.match(/\p{Cc}(?:\[\d*[A-Z])?|\P{Cc}+/gu) ?? []) {
        const up = /^\p{Cc}\[(\d+)A$/u.exec(piece)?.[1]
        if (up !== undefined) lines.length -= Number(up)
        else if (piece === '\n') lines.push('')
        else if (piece === '\r' || piece === '\u001B[J') lines[lines.length - 1] = ''
        else lines[lines.length - 1] += piece
      }
    },
  }
}

const LIVE = { live: true, colours: false }
const ADVICE: Line = [
  { text: '  ✗ NOSUCH  ' },
  { text: 'failed: Alpha Vantage does not know this symbol. Check it with a symbol search.', hang: true },
]
const BROKEN = [
  '  ✗ NOSUCH  failed: Alpha Vantage does not know',
  '            this symbol. Check it with a symbol',
  '            search.',
]

test('A line that is too wide is broken between words, in the block and above it', () => {
  const screen = createScreen({ columns: 50 })
  const terminal = createTerminal(screen, LIVE)
  terminal.show(() => [ADVICE])
  expect(screen.lines).toEqual([...BROKEN, ''])
  terminal.print(ADVICE)
  expect(screen.lines).toEqual([...BROKEN, ...BROKEN, ''])
  terminal.show(undefined)
  expect(screen.lines).toEqual([...BROKEN, ''])
})

test('What goes into a file is one line each, however long', () => {
  const screen = createScreen({})
  createTerminal(screen, { live: false, colours: false }).print(ADVICE, 'x'.repeat(300))
  expect(screen.lines.map((line) => line.length)).toEqual([91, 300, 0])
})

test('A block never grows above the screen, where it could not be redrawn', () => {
  const screen = createScreen({ columns: 80, rows: 6 })
  const terminal = createTerminal(screen, LIVE)
  terminal.show(() => Array.from({ length: 40 }, (_, index): Line => [{ text: `line ${index}` }]))
  expect(screen.lines).toEqual(['line 0', 'line 1', 'line 2', 'line 3', '  … 36 more lines', ''])
  terminal.show(undefined)
})
