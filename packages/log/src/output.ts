import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** A destination of pino's that never holds up who writes. */
export interface LogOutput {
  write(line: string): void
  /** Resolves when all lines are out, or after `deadlineMs`: for the end of a process. */
  flush(deadlineMs: number): Promise<void>
}

/** Thousands of lines: enough for a reader that is restarted. */
const LIMIT_BYTES = 1024 * 1024

/**
 * Writes lines to a stream, process.stdout in production. pino's own destination writes synchronously: once a reader
 * stops to read and the pipe is full (a hung log collector, a paused terminal), the whole process stands still in the
 * middle of its work. Here lines wait in memory up to `limitBytes`; those beyond are dropped and, when the reader has
 * caught up, counted in a line of their own. A reader that is gone changes nothing.
 */
export function createLogOutput(stream: Writable, limitBytes = LIMIT_BYTES): LogOutput {
  let dropped = 0
  stream.on('error', () => {})
  return {
    write(line) {
      const isFull = dropped > 0 ? stream.writableLength > 0 : stream.writableLength >= limitBytes
      if (isFull) {
        dropped += 1
        return
      }
      if (dropped > 0) stream.write(noticeOf(dropped))
      dropped = 0
      stream.write(line)
    },
    async flush(deadlineMs) {
      if (stream.writableLength === 0) return
      const late = new AbortController()
      // Called once all that was written before it is out, or cannot be.
      const written = new Promise<void>((resolve) => stream.write('', () => resolve()))
      await Promise.race([written, sleep(deadlineMs, undefined, { signal: late.signal }).catch(() => {})])
      late.abort()
    },
  }
}

function noticeOf(dropped: number): string {
  const msg = 'log lines were dropped, since nobody read them'
  return `${JSON.stringify({ level: 40, time: new Date().toISOString(), dropped, msg })}\n`
}
