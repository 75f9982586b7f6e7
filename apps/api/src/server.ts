import { randomUUID } from 'node:crypto'
import fastify, { LogController } from 'fastify'
import type { FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type * as z from 'zod'
import type { Logger } from '@stockpile/log/logger'
import { revalidationHeaders } from './schemas/answer.js'
import { answerClientError } from './client-errors.js'
import { answerError } from './answer-error.js'
import { registerRequestsUnderWay } from './plugins/requests-under-way.js'
import { registerSlowReaders } from './plugins/slow-readers.js'

/** How long a client may take, and how long it may have to wait. Milliseconds. */
export interface Timeouts {
  /** For the whole request to arrive. */
  requestMs: number
  /** For its headers to arrive; must be less than `requestMs`, or a trickled body is never closed. */
  headersMs: number
  /** How often these are looked at. */
  checkMs: number
  /** For the client to take 32 KiB of an answer, again and again until it has it. */
  readMs: number
  /** For the client of an export to take its next 32 KiB while others wait for its place. */
  stallMs: number
  /** For the answer to a whole request to be made; then 503. Above the statement timeout, which ends the work itself. */
  handlerMs: number
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  requestMs: 30_000,
  headersMs: 10_000,
  checkMs: 1_000,
  readMs: 30_000,
  stallMs: 3_000,
  handlerMs: 15_000,
}

/** 10,000 symbols of 32 characters fit three times. */
const BODY_LIMIT_BYTES = 1024 * 1024

export type App = ReturnType<typeof createServer>

/** A Fastify that validates and serializes with Zod, and is strict with slow and odd clients. It has no routes yet. */
export function createServer(options: { logger: Logger; timeouts?: Partial<Timeouts> | undefined }) {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const app = fastify<RawServerDefault>({
    loggerInstance: options.logger,
    // plugins/requests.ts writes the line of a request.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: timeouts.requestMs,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // plugins/requests.ts asks for it: Node's own refusal is an empty 400.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, underWay),
    // A URL that cannot be decoded, a parameter that is too long: found before there is a route.
    frameworkErrors: (error, request: FastifyRequest, reply: FastifyReply) =>
      answerError(error, request, reply),
  })
  // Node leaves out what comes beyond 2,000 names and values: a second Host would not be seen. plugins/requests.ts bounds them.
  app.server.maxHeadersCount = 0
  // The other parser that Fastify comes with; the API takes JSON alone.
  app.removeContentTypeParser('text/plain')
  const underWay = registerRequestsUnderWay(app, timeouts)
  registerSlowReaders(app, timeouts)
  app.setErrorHandler(answerError)
  // Described, but never wrong: to look at them would copy all headers of each request.
  app.setValidatorCompiler<z.core.$ZodType>((part) =>
    part.schema === revalidationHeaders ? () => true : validatorCompiler(part),
  )
  app.setSerializerCompiler(serializerCompiler)
  return app.withTypeProvider<ZodTypeProvider>()
}
