import type { LogLevel } from '@stockpile/config/variables'
import type { Terminal } from '../terminal/terminal.js'
import { isShown, type LogLine, readableLine } from './log-line.js'

/** Milliseconds after which a line that repeats is shown again. */
const REPEAT_MS = 10 * 60_000

/**
 * Gives what becomes of each line of a program: it is shown when a person has to know it, repeated only after a while, and
 * raises `changed` when a run may have changed.
 */
export function createLineReporter(
  logLevel: LogLevel,
  terminal: Terminal,
  changed: { raise(): void },
): (program: string, line: LogLine) => void {
  const shownAt = new Map<string, number>()
  return (program, line) => {
    if (line.run !== undefined) changed.raise()
    if (!isShown(line, logLevel)) return
    const text = readableLine(program, line)
    const now = performance.now()
    if (now - (shownAt.get(text) ?? -Infinity) < REPEAT_MS) return
    shownAt.set(text, now)
    terminal.print([{ text, style: 'yellow' }])
  }
}
