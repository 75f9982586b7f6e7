import type { Logger } from 'pino'

const QUIET_MS = 60_000
/** Messages that differ; those beyond are counted as one. */
const MAX_KINDS = 50

/**
 * Logs what a backend that is away reports many times a second: each kind of error once a minute, with how often it came
 * since. A kind is its message without numbers, since each attempt has a port of its own.
 * @param log writes the line
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

/** At the level of a warning, in the same words. */
export function warnOfErrors(logger: Logger, message: string): (error: Error) => void {
  return createErrorReporter((fields) => logger.warn(fields, message))
}
