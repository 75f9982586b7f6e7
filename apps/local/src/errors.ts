/** Why nothing can start, or go on: a sentence for the person who typed `npm start`, and what to do about it. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

/** The message of an error, whatever was thrown. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // An AggregateError of failed connections has no message of its own.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined
  return error.message || (first === undefined ? error.name : messageOf(first))
}

/** The code of an error of a system call ('EADDRINUSE') or of PostgreSQL ('3D000'); undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
