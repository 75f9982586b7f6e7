/** An error as it stands in a line of the log. */
interface DescribedError {
  type: string
  message: string
  code?: string
  stack?: string
}

/** Codes of errors that come from outside: a server is away, refuses or is full. The stack shows only a driver's code. */
const OUTSIDE_CODE =
  /^(?:(?:08|25|28|3D|40|53|57|58)\w{3}|55P03|E(?!RR_)[A-Z_]+|CONNECT\w*|UND_ERR_\w+|TLS_NOT_OFFERED|\w*CERT\w*)$/
/** Begins the messages of errors from outside without a code: of `pg`, ioredis, deadlines, and jobs whose lock is lost. */
const OUTSIDE_MESSAGE =
  /^(?:Connection (?:terminated|is closed|is in closing)|timeout (?:expired|exceeded)|Query read timeout|Command timed out|Reached the max retries|the queue (?:did not|could not)|write CONNECT|could not renew lock|Missing (?:lock|key) for job|Lock mismatch for job)/

/**
 * Describes an error for a line of the log, by its deepest cause. The failed statement and its parameters, which drizzle's
 * message and the driver's error repeat, are left out. A stack is there only where somebody has to look for a defect.
 */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0])
  if (carriesStatement(error)) {
    if (error.cause !== undefined) return describeError(error.cause)
    return { type: error.name, message: 'a statement failed' }
  }
  // Messages like `fetch failed` leave the reason to the cause.
  if (error.cause instanceof Error) {
    const cause = describeError(error.cause)
    return { ...cause, message: `${error.message}: ${cause.message}` }
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const isFromOutside = OUTSIDE_CODE.test(code ?? '') || OUTSIDE_MESSAGE.test(error.message)
  return {
    type: error.name,
    message: error.message || code || error.name,
    ...(code === undefined ? {} : { code }),
    ...(isFromOutside || error.stack === undefined ? {} : { stack: error.stack }),
  }
}

/** Recognises drizzle's error, whose message repeats the failed statement. */
function carriesStatement(error: Error): boolean {
  return 'query' in error && 'params' in error
}
