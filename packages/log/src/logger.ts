import { pino } from 'pino'
import type { DestinationStream, Level, Logger } from 'pino'
import { describeError } from './describe-error.js'
import { readableLine } from './readable-line.js'

export type { Level, Logger } from 'pino'

export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

interface LoggerOptions {
  /** Which program writes the lines, such as 'api', 'worker' or 'migrate'. */
  service: string
  level: Level
  output: DestinationStream
  format?: LogFormat
}

/**
 * Creates the logger of a program. All programs write lines of one shape: JSON with `level` (a word), `time` (ISO, UTC),
 * `service`, `msg`, ids (`run`, `item`, `symbol`, `request_id`), and for an error `err` with `type`, `message`, `code`, and
 * for a defect its `stack`. The format `pretty` turns each of these lines into a line for a person.
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

/** Returns the format that LOG_FORMAT names. When LOG_FORMAT is unset or names no format: `pretty` on a terminal, else `json`. */
export function logFormat(setting: string | undefined, isTerminal: boolean): LogFormat {
  return LOG_FORMATS.find((format) => format === setting) ?? (isTerminal ? 'pretty' : 'json')
}

/**
 * Logs why a program ends: one line of the log for each line of `sentence`, or the stack of a defect.
 * @param sentence tells the person who started the program what to mend; undefined for a defect
 */
export function logFailure(logger: Logger, error: unknown, sentence: string | undefined): void {
  if (sentence === undefined) logger.fatal({ err: error }, 'ended by a defect')
  else for (const line of sentence.split('\n')) logger.fatal(line)
}
