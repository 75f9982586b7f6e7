/** A piece of a line and how it looks on a terminal that has colours. */
export interface Span {
  text: string
  style?: keyof typeof CODES
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

/** Cuts the line at `width` characters and colours it. */
export function paint(line: Line, { colours, width }: { colours: boolean; width: number }): string {
  let left = width
  let painted = ''
  for (const { text, style } of line) {
    if (left <= 0) break
    const shown = text.length > left ? `${text.slice(0, left - 1)}…` : text
    left -= text.length
    painted += colours && style !== undefined ? `\u001B[${CODES[style]}m${shown}\u001B[0m` : shown
  }
  return painted
}
