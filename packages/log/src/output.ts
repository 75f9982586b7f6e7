import type { Writable } from 'node:stream'
import { within } from '@stockpile/time/wait'

/** A destination of pino's that never holds up who writes. */
export interface LogOutput {
  write(line: string): void
  /** Hands all lines to the stream, without waiting: for the end of a process that comes unasked. */
  send(): void
  /** Resolves when all lines are out, or after `deadlineMs`: for the end of a process. */
  flush(deadlineMs: number): Promise<void>
}

/** Thousands of lines: enough for a reader that is restarted. */
const LIMIT_BYTES = 1024 * 1024
interface OutputOptions {
  limitBytes?: number
  /** Lines of so long are written at once; with 0 each by itself. What kills the process takes them with it. */
  delayMs?: number
}

/**
 * Writes lines to a stream, process.stdout in production. pino's own destination writes synchronously: once a reader
 * stops to read and the pipe is full (a hung log collector, a paused terminal), the whole process stands still in the
 * middle of its work. Here lines wait in memory up to `limitBytes`; those beyond are dropped and, when the reader has
 * caught up, counted in a line of their own. A reader that is gone changes nothing.
 */
export function createLogOutput(
  stream: Writable,
  { limitBytes = LIMIT_BYTES, delayMs = 0 }: OutputOptions = {},
): LogOutput {
  let dropped = 0
  let waiting = ''
  let timer: NodeJS.Timeout | undefined
  stream.on('error', () => {})
  const send = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting !== '') stream.write(waiting)
    waiting = ''
  }
  return {
    write(line) {
      const held = stream.writableLength + waiting.length
      if (dropped > 0 ? held > 0 : held >= limitBytes) {
        dropped += 1
        return
      }
      if (dropped > 0) waiting += noticeOf(dropped)
      dropped = 0
      waiting += line
      if (delayMs === 0) send()
      else timer ??= setTimeout(send, delayMs)
    },
    send,
    async flush(deadlineMs) {
      send()
      if (stream.writableLength === 0) return
      // Called once all that was written before it is out, or cannot be.
      const written = new Promise<void>((resolve) => stream.write('', () => resolve()))
      await within(written, deadlineMs)
    },
  }
}

/** That of this process, on its standard output: an error that nobody caught ends it with its lines written. */
export function createProcessOutput(options: Pick<OutputOptions, 'delayMs'> = {}): LogOutput {
  const output = createLogOutput(process.stdout, options)
  process.once('exit', () => output.send())
  return output
}

function noticeOf(dropped: number): string {
  const msg = 'log lines were dropped, since nobody read them'
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg })}\n`
}
