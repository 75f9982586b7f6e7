import { STATUS_CODES } from 'node:http'
import * as z from 'zod'
import { unknownSymbolsSchema } from './info.js'

const detailSchema = z.object({
  pointer: z
    .string()
    .meta({ description: 'JSON pointer into the request: /body, /query, /path or /headers.' }),
  code: z.string(),
  detail: z.string(),
})
export type ProblemDetail = z.infer<typeof detailSchema>

/** The body of an error: RFC 9457, with `info.error` as in every answer of this API. */
export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ format: 'uri', description: 'This occurrence: the request id as a URN.' }),
    errors: z.array(detailSchema),
    request_id: z.string().meta({ format: 'uuid' }),
    info: z.object({
      error: z.string().meta({ description: 'The same as detail.' }),
      unknown_symbols: unknownSymbolsSchema,
    }),
  })
  .meta({
    id: 'Problem',
    description: 'RFC 9457 problem details.',
  })
export type Problem = z.infer<typeof problemSchema>

interface ProblemOptions {
  errors?: ProblemDetail[]
  headers?: Record<string, string>
  /** What `info` holds beside `error`. */
  info?: { unknown_symbols?: string[] }
  cause?: unknown
}

/** An answer other than success. The client reads its message and errors, which must not repeat what the client sent. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly status: number
  readonly errors: ProblemDetail[]
  readonly headers: Record<string, string>
  readonly info: NonNullable<ProblemOptions['info']>
  constructor(status: number, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause })
    this.status = status
    this.errors = options.errors ?? []
    this.headers = options.headers ?? {}
    this.info = options.info ?? {}
  }
}

export function problemBody(problem: ProblemError, requestId: string): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.message,
    // The request id names the occurrence exactly; the path would repeat the client's text.
    instance: `urn:uuid:${requestId}`,
    errors: problem.errors,
    request_id: requestId,
    info: { error: problem.message, ...problem.info },
  }
}

/** @param what the part that does not answer, as the subject of a sentence, e.g. "The database" */
export function unavailable(what: string, cause?: unknown): ProblemError {
  return new ProblemError(503, `${what} does not answer at the moment. Try again in a few seconds.`, {
    headers: { 'retry-after': '5' },
    cause,
  })
}
