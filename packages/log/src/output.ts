import type { Writable } from 'node:stream'
import { within } from '@stockpile/time/wait'

/** A destination for pino's lines in which writing never blocks. */
export interface LogOutput {
  write(line: string): void
  /** Hands all lines to the stream without waiting, for a process that ends unexpectedly. */
  send(): void
  /** Resolves when all lines are written, or after `deadlineMs`, for a process that ends in order. */
  flush(deadlineMs: number): Promise<void>
}

/** Holds thousands of lines, which is enough while the reader of the log restarts. */
const LIMIT_BYTES = 1024 * 1024

interface OutputOptions {
  /** How much waits in memory for a reader that does not read; 1 MiB by default. */
  limitBytes?: number
  /** For how long lines are gathered into one write; 0 writes each line by itself. A killed process loses the gathered lines. */
  delayMs?: number
}

/**
 * Creates an output that writes lines to a stream. pino's own destination writes synchronously: a reader that stops reading
 * (a hung log collector, a paused terminal) would stop the whole process. Here lines wait in memory up to `limitBytes`;
 * further lines are dropped, and counted in a line once the reader has caught up. A reader that is gone causes no error.
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
      // The stream calls back once it has written everything before this empty chunk, or cannot write any more.
      const written = new Promise<void>((resolve) => stream.write('', () => resolve()))
      await within(written, deadlineMs)
    },
  }
}

/** Creates the output of this process on its standard output. An uncaught error ends the process with its lines written. */
export function createProcessOutput(options: Pick<OutputOptions, 'delayMs'> = {}): LogOutput {
  const output = createLogOutput(process.stdout, options)
  process.once('exit', () => output.send())
  return output
}

function noticeOf(dropped: number): string {
  const msg = 'log lines were dropped, since nobody read them'
  return `${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg })}\n`
}
