import { type Line, paint } from './paint.js'
import { wrap } from './wrap.js'

/** The part of stdout and stderr that a terminal needs. */
export interface Output {
  write(text: string): unknown
  /** The width in characters; undefined when the output is no terminal. */
  columns?: number
  rows?: number
}

export interface Terminal {
  /** Whether a block can be redrawn in place. */
  live: boolean
  /** Prints lines that stay, above the live block. They are broken between words where the terminal is narrower. */
  print(...lines: (string | Line)[]): void
  /** Redraws a block below the printed lines ten times a second until another replaces it; undefined: no block. */
  show(block: ((frame: number) => Line[]) | undefined): void
}

const FRAME_MS = 100
/** Some terminals tell no size, or one of 0: these are used then. */
const MIN_COLUMNS = 20
const USUAL = { columns: 80, rows: 24 }

export function createTerminal(
  output: Output,
  { live, colours }: { live: boolean; colours: boolean },
): Terminal {
  let block: ((frame: number) => Line[]) | undefined
  let drawn: Line[] = []
  let frame = 0
  let timer: NodeJS.Timeout | undefined

  const columns = () => Math.max(output.columns || USUAL.columns, MIN_COLUMNS)
  const erase = () => {
    // A terminal that has become narrower shows an earlier line as several.
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns())), 0)
    return rows === 0 ? '' : `\u001B[${rows}A\r\u001B[J`
  }
  const draw = (above = '') => {
    const erased = erase()
    // The last column stays empty: some terminals go to the next line when a character is put there.
    const lines = live
      ? (block?.(frame) ?? []).flatMap((line) => wrap(line, columns() - 1, { cutWords: true }))
      : []
    drawn = fitRows(lines, (output.rows || USUAL.rows) - 1)
    // One write for all: several make the block flicker.
    output.write(`${erased}${above}${drawn.map((line) => `${paint(line, { colours })}\n`).join('')}`)
  }
  return {
    live,
    print(...lines) {
      const text = lines
        .map((line): Line => (typeof line === 'string' ? [{ text: line }] : line))
        .flatMap((line) =>
          output.columns === undefined ? [line] : wrap(line, columns() - 1, { cutWords: false }),
        )
        .map((line) => `${paint(line, { colours }).trimEnd()}\n`)
      draw(text.join(''))
    },
    show(next) {
      block = next
      if (!live) return
      if (next === undefined) {
        clearInterval(timer)
        timer = undefined
      } else {
        timer ??= setInterval(() => {
          frame += 1
          draw()
        }, FRAME_MS)
      }
      draw()
    },
  }
}

/** Cuts a block to the rows of the screen, since lines that have left it at the top cannot be redrawn. */
function fitRows(lines: Line[], rows: number): Line[] {
  if (lines.length <= rows) return lines
  const shown = lines.slice(0, Math.max(1, rows - 1))
  return [...shown, [{ text: `  … ${lines.length - shown.length} more lines`, style: 'dim' }]]
}

function widthOf(line: Line): number {
  return line.reduce((columns, { text }) => columns + text.length, 0)
}
