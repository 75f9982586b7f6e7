import type { Logger } from 'pino'

const QUIET_MS = 60_000
/** How many kinds of error are told apart. All further kinds count as one kind. */
const MAX_KINDS = 50

/**
 * Creates a function that logs each kind of error at most once a minute, with how often the kind came since. A backend that
 * is away would fill the log, with many errors a second. Messages that differ in numbers alone are of one kind, since each
 * attempt to connect has a port of its own.
 * @param now the clock, in milliseconds
 */
export function createErrorReporter(
  log: (fields: { err: Error; repeated?: number }) => void,
  now: () => number = () => performance.now(),
): (error: Error) => void {
  const kinds = new Map<string, { since: number; repeated: number }>()
  return (error) => {
    const message = (error.message || error.name).replaceAll(/\d+/g, '#')
    const kind = kinds.has(message) || kinds.size < MAX_KINDS ? message : ''
    const known = kinds.get(kind)
    if (known !== undefined && now() - known.since < QUIET_MS) {
      known.repeated += 1
      return
    }
    kinds.set(kind, { since: now(), repeated: 0 })
    log({ err: error, ...(known !== undefined && known.repeated > 0 ? { repeated: known.repeated } : {}) })
  }
}

/** Creates a function that logs each kind of error at most once a minute, as a warning with `message`. */
export function warnOfErrors(logger: Logger, message: string): (error: Error) => void {
  return createErrorReporter((fields) => logger.warn(fields, message))
}
