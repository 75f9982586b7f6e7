import { type Line, paint } from './paint.js'

/** What this process needs of stdout. */
export interface Output {
  write(text: string): unknown
  columns?: number
}

export interface Terminal {
  /** Whether a block can be redrawn in place. */
  live: boolean
  /** Lines that stay, above the live block. */
  print(...lines: (string | Line)[]): void
  /** Redraws the block below the printed lines ten times a second until it is replaced; undefined: none. */
  show(block: ((frame: number) => Line[]) | undefined): void
}

const FRAME_MS = 100
const DEFAULT_COLUMNS = 100
/** Longer lines are cut only in a block, which must not wrap. */
const ANY_WIDTH = 1_000_000

export function createTerminal(
  output: Output,
  { live, colours }: { live: boolean; colours: boolean },
): Terminal {
  let block: ((frame: number) => Line[]) | undefined
  let drawn = 0
  let frame = 0
  let timer: NodeJS.Timeout | undefined

  const erase = () => (drawn === 0 ? '' : `\u001B[${drawn}A\r\u001B[J`)
  const draw = (above = '') => {
    const width = (output.columns ?? DEFAULT_COLUMNS) - 1
    const lines = live ? (block?.(frame) ?? []).map((line) => paint(line, { colours, width })) : []
    // In one piece, or it flickers.
    output.write(`${erase()}${above}${lines.map((line) => `${line}\n`).join('')}`)
    drawn = lines.length
  }
  return {
    live,
    print(...lines) {
      const text = lines.map((line) =>
        typeof line === 'string' ? line : paint(line, { colours, width: ANY_WIDTH }).trimEnd(),
      )
      draw(text.map((line) => `${line}\n`).join(''))
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
