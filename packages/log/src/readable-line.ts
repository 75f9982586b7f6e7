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
/** The fields that a person recognises by their place in the line, so that their names are left out. */
const PLACED = new Set(['level', 'time', 'service', 'msg', 'err'])

/**
 * Turns a JSON line of `createLogger` into a line for a person at a terminal, in colour. The result is one line, whatever
 * text from outside stands in its fields.
 */
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
  // The first line of the stack says where the defect is. The format `json` has the whole stack.
  const place = /\n\s+at [^\n]*/.exec(typeof stack === 'string' ? stack : '')?.[0] ?? ''
  return styleText(
    'red',
    `${textOf(message)}${code === undefined ? '' : ` (${textOf(code)})`}${textOf(place)}`,
  )
}

/** Replaces control characters and line breaks, since text from outside must not move the cursor or begin a line of its own. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)
  return text.replaceAll(/[\p{C}\s]+/gu, ' ')
}
