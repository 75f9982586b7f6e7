import { randomUUID } from 'node:crypto'
import fastify, { LogController } from 'fastify'
import type { FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type * as z from 'zod'
import type { Logger } from '@stockpile/log/logger'
import type { App } from './types.js'
import { DEFAULT_TIMEOUTS } from './http/timeouts.js'
import type { Timeouts } from './http/timeouts.js'
import { answerClientError } from './http/client-errors.js'
import { answerError } from './http/error-handler.js'
import { registerRequestsUnderWay } from './http/deadlines.js'
import { registerSlowReaders } from './http/slow-readers.js'
import { revalidationHeaders } from './http/revalidation.js'

/** 10,000 symbols of 32 characters fit three times. */
const BODY_LIMIT_BYTES = 1024 * 1024

/** A Fastify that validates and serializes with Zod, and is strict with slow and odd clients. It has no routes yet. */
export function createServer(options: { logger: Logger; timeouts?: Partial<Timeouts> | undefined }): App {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const app = fastify<RawServerDefault>({
    loggerInstance: options.logger,
    // http/request-checks.ts writes the line of a request.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: timeouts.requestMs,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // http/request-checks.ts asks for it: Node's own refusal is an empty 400.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, underWay),
    // A URL that cannot be decoded, a parameter that is too long: found before there is a route.
    frameworkErrors: (error, request: FastifyRequest, reply: FastifyReply) =>
      answerError(error, request, reply),
  })
  // Node leaves out what comes beyond 2,000 names and values: a second Host would not be seen. http/request-checks.ts bounds them.
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
