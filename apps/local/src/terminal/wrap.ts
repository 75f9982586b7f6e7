import type { Line, Span } from './paint.js'

/**
 * Breaks a line between words into lines of at most `width` columns, at least 2. The line goes on below the span that says
 * `hang`, or below its first character that is no blank.
 * @param options.cutWords whether a word that is wider than a line is cut; otherwise the terminal breaks it
 */
export function wrap(line: Line, width: number, { cutWords }: { cutWords: boolean }): Line[] {
  const indent = Math.min(hangingIndent(line), Math.floor(width / 2))
  const lines: Line[] = []
  let current: Line = []
  let column = 0
  let gap: Span | undefined
  const place = (span: Span) => {
    current.push(span)
    column += span.text.length
  }
  const roomLeft = () => width - column
  const isCut = (text: string) => cutWords && text.length > roomLeft()
  const breakLine = () => {
    lines.push(current)
    current = indent === 0 ? [] : [{ text: ' '.repeat(indent) }]
    column = indent
    gap = undefined
  }
  for (const token of line.flatMap(tokensOf)) {
    if (token.text.trim() === '') {
      gap = gap === undefined ? token : { ...gap, text: gap.text + token.text }
      continue
    }
    const start = column + (gap?.text.length ?? 0)
    if (start + token.text.length > width && start > indent) breakLine()
    else if (gap !== undefined) place(gap)
    gap = undefined
    let { text } = token
    while (isCut(text)) {
      const room = Math.max(0, roomLeft())
      place({ ...token, text: text.slice(0, room) })
      text = text.slice(room)
      breakLine()
    }
    place({ ...token, text })
  }
  return [...lines, current]
}

function hangingIndent(line: Line): number {
  const index = line.findIndex((span) => span.hang === true)
  if (index !== -1) return line.slice(0, index).reduce((columns, { text }) => columns + text.length, 0)
  return /^ */.exec(line[0]?.text ?? '')?.[0].length ?? 0
}

function tokensOf(span: Span): Span[] {
  if (span.whole === true) return [span]
  return (span.text.match(/\s+|\S+/g) ?? []).map((text) => ({ ...span, text }))
}
