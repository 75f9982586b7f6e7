import { pino } from 'pino'
import type { DestinationStream, Level, Logger } from 'pino'
import { describeError } from './describe-error.js'
import { readableLine } from './readable-line.js'

export type { Level, Logger } from 'pino'

export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

interface LoggerOptions {
  /** Which program writes: 'api', 'worker', 'migrate'. */
  service: string
  level: Level
  output: DestinationStream
  format?: LogFormat
}

/**
 * The one shape of all programs' lines: JSON with `level` (a word), `time` (ISO, UTC), `service`, `msg`, and ids (`run`,
 * `item`, `symbol`, `request_id`) beside it; an error is `err` with `type`, `message`, `code`, and its `stack` when it is a
 * defect. `pretty` writes the same for a person, one line each.
 */
export function createLogger({ service, level, output, format = 'json' }: LoggerOptions): Logger {
  const destination =
    format === 'json' ? output : { write: (line: string) => output.write(readableLine(line)) }
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
    },
    destination,
  )
}

/** LOG_FORMAT, or what suits whoever reads: a terminal's lines are for a person. Not a sound one counts as unset. */
export function logFormat(setting: string | undefined, isTerminal: boolean): LogFormat {
  return LOG_FORMATS.find((format) => format === setting) ?? (isTerminal ? 'pretty' : 'json')
}

/**
 * Says why a program ends: each line of the sentence by itself, or a defect with its stack.
 * @param sentence for the person who started it; undefined for a defect
 */
export function logFailure(logger: Logger, error: unknown, sentence: string | undefined): void {
  if (sentence === undefined) logger.fatal({ err: error }, 'ended by a defect')
  else for (const line of sentence.split('\n')) logger.fatal(line)
}
