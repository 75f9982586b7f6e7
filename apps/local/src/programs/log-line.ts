import * as z from 'zod'
import type { Config } from '../settings/config.js'

/** The levels by number, the least serious first. */
const LEVELS = { trace: 1, debug: 2, info: 3, warn: 4, error: 5, fatal: 6 } as const satisfies Record<
  Config['logLevel'],
  number
>

const lineSchema = z.object({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).transform((level) => LEVELS[level]),
  msg: z.string().default(''),
  run: z.string().optional(),
  item: z.number().optional(),
  symbol: z.string().optional(),
  detail: z.string().optional(),
  advice: z.string().optional(),
  waitMs: z.number().optional(),
  err: z.object({ message: z.string() }).optional(),
})

/** What a person may want to know of a line of a program's log. */
export type LogLine = z.infer<typeof lineSchema>

/** A shorter wait of all workers is the normal way to keep a limit. */
const LONG_WAIT_MS = 30_000

/** Reads a line of a program's output; undefined for text that no logger wrote. */
export function parseLogLine(text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return lineSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Whether a line goes into the log file: those of LOG_LEVEL and above, and text that no logger wrote. */
export function isLogged(line: LogLine | undefined, logLevel: Config['logLevel']): boolean {
  return line === undefined || line.level >= LEVELS[logLevel]
}

/**
 * Whether the terminal shows a line: warnings and errors, and with LOG_LEVEL=debug or trace the others too. Lines of one
 * item are left out, since the progress tells them, but not a long wait.
 */
export function isShown(line: LogLine | undefined, logLevel: Config['logLevel']): boolean {
  if (line === undefined) return false
  // The API logs each request, and the progress asks several times a second.
  if (line.msg === 'request' && line.level < LEVELS.warn) return false
  if (logLevel === 'debug' || logLevel === 'trace') return line.level >= LEVELS[logLevel]
  if (line.item !== undefined && (line.waitMs ?? 0) < LONG_WAIT_MS) return false
  return line.level >= Math.max(LEVELS.warn, LEVELS[logLevel])
}

/** A log line for a person, in one line without control characters. */
export function readableLine(program: string, line: LogLine): string {
  const kind = line.level >= LEVELS.error ? 'error: ' : line.level >= LEVELS.warn ? 'warning: ' : ''
  const why = line.detail ?? line.err?.message
  const what = `${program}: ${kind}${line.msg}${line.symbol === undefined ? '' : ` (${line.symbol})`}`
  return why === undefined
    ? withoutControls(what)
    : `${withoutControls(what)}: ${withAdvice(why, line.advice ?? '')}`
}

/** The most characters of a text of others that the terminal shows. */
const MAX_TEXT = 300

/** What went wrong and what to do, without control characters. */
export function withAdvice(detail: string, advice: string): string {
  const shown = withoutControls(detail)
  return `${/[.!?…]$/.test(shown) ? shown : `${shown}.`} ${withoutControls(advice)}`.trim()
}

/** A text of others in one line, cut to a bearable length: it must not move the cursor of the terminal. */
export function withoutControls(text: string): string {
  const line = text.replaceAll(/\p{C}+|\s+/gu, ' ').trim()
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT - 1)}…` : line
}
