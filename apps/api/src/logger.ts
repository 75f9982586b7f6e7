import { withoutParameters } from '@stockpile/db/connection'
import { pino } from 'pino'
import type { DestinationStream, Level, Logger } from 'pino'

export type { Logger } from 'pino'

/** JSON lines on `destination`. */
export function createLogger(level: Level, destination: DestinationStream): Logger {
  return pino({ level, base: { service: 'api' }, serializers: { err: serializeError } }, destination)
}

/** An error without the parameters of its statement, which drizzle's message and the driver's fields hold. */
function serializeError(error: unknown): unknown {
  const known = withoutParameters(error)
  if (!(known instanceof Error)) return { message: String(known) }
  return {
    type: known.name,
    message: known.message,
    ...('code' in known ? { code: known.code } : {}),
    stack: known.stack,
    ...(known.cause instanceof Error ? { cause: serializeError(known.cause) } : {}),
  }
}
