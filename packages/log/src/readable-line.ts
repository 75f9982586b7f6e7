import { styleText } from 'node:util'

const STYLES: Record<string, Parameters<typeof styleText>[0]> = {
  trace: 'dim',
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: ['red', 'bold'],
}
const LEVEL_WIDTH = 5
/** Said by place, not by name. */
const PLACED = new Set(['level', 'time', 'service', 'msg', 'err'])

/** A line of createLogger's JSON as a person reads it in a terminal: one line, in colour, whatever others wrote into it. */
export function readableLine(json: string): string {
  const parsed: unknown = JSON.parse(json)
  const line: Record<string, unknown> = { ...(typeof parsed === 'object' ? parsed : {}) }
  const level = textOf(line['level'])
  const ids = Object.entries(line)
    .filter(([name]) => !PLACED.has(name))
    .map(([name, value]) => `${name}=${textOf(value)}`)
  const parts = [
    styleText('dim', textOf(line['time']).slice(11, 23)),
    styleText(STYLES[level] ?? 'reset', level.toUpperCase().padEnd(LEVEL_WIDTH)),
    textOf(line['service']),
    textOf(line['msg']),
    ...(ids.length === 0 ? [] : [styleText('dim', ids.join(' '))]),
    ...(line['err'] === undefined ? [] : [errorText(line['err'])]),
  ]
  return `${parts.join(' ')}\n`
}

function errorText(error: unknown): string {
  const { message, code, stack }: Record<string, unknown> = { ...(typeof error === 'object' ? error : {}) }
  // Where the defect is; the whole stack is in the JSON.
  const place = /\n\s+at [^\n]*/.exec(typeof stack === 'string' ? stack : '')?.[0] ?? ''
  return styleText(
    'red',
    `${textOf(message)}${code === undefined ? '' : ` (${textOf(code)})`}${textOf(place)}`,
  )
}

/** Without control characters: what others wrote must not move the cursor, or begin a line of its own. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
  return text.replaceAll(/[\p{C}\s]+/gu, ' ')
}
