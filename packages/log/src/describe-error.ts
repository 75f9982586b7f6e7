interface DescribedError {
  type: string
  message: string
  code?: string
  stack?: string
}

/** What the world does to a program: a server that is away, refuses, or is full. Their stacks say nothing but the driver's own. */
const OF_THE_WORLD =
  /^(?:(?:08|25|28|3D|40|53|57|58)\w{3}|55P03|E(?!RR_)[A-Z_]+|CONNECT\w*|UND_ERR_\w+|TLS_NOT_OFFERED|\w*CERT\w*)$/
/** The same without a code: of `pg`, of Redis' driver, deadlines, and jobs whose lock ran out or went to another worker. */
const SAID_BY_THE_WORLD =
  /^(?:Connection (?:terminated|is closed|is in closing)|timeout (?:expired|exceeded)|Query read timeout|Command timed out|Reached the max retries|the queue (?:did not|could not)|write CONNECT|could not renew lock|Missing (?:lock|key) for job|Lock mismatch for job)/

/**
 * An error as a log has it: the deepest cause, in a line, without the statement that failed and its parameters, which
 * drizzle's message repeats and a driver's error carries; with a stack only where somebody has to look for a defect.
 */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0])
  if (carriesStatement(error)) {
    if (error.cause !== undefined) return describeError(error.cause)
    return { type: error.name, message: 'a statement failed' }
  }
  // `fetch failed` and its like say why in their cause alone.
  if (error.cause instanceof Error) {
    const cause = describeError(error.cause)
    return { ...cause, message: `${error.message}: ${cause.message}` }
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  const expected = OF_THE_WORLD.test(code ?? '') || SAID_BY_THE_WORLD.test(error.message)
  return {
    type: error.name,
    message: error.message || code || error.name,
    ...(code === undefined ? {} : { code }),
    ...(expected || error.stack === undefined ? {} : { stack: error.stack }),
  }
}

/** drizzle's, whose message is the statement. */
function carriesStatement(error: Error): boolean {
  return 'query' in error && 'params' in error
}
