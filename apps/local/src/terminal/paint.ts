/** A piece of a line and how it looks on a terminal that has colours. */
export interface Span {
  text: string
  style?: keyof typeof CODES
  /** A line that is broken goes on below the start of this span. */
  hang?: true
  /** The text is to be copied, such as a command, so it is not broken into lines. */
  whole?: true
}
export type Line = Span[]

const CODES = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
  alarm: '1;30;43',
} as const

/** Writes a line as text, with the escape sequences of its colours where there are colours. */
export function paint(line: Line, { colours }: { colours: boolean }): string {
  return line
    .map(({ text, style }) =>
      colours && style !== undefined ? `\u001B[${CODES[style]}m${text}\u001B[0m` : text,
    )
    .join('')
}
