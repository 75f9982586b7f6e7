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

/** Three times the size of 10,000 symbols of 32 characters. */
const BODY_LIMIT_BYTES = 1024 * 1024

/** Makes a Fastify without routes, which validates and serializes with Zod and is strict with slow and odd clients. */
export function createServer(options: { logger: Logger; timeouts?: Partial<Timeouts> | undefined }): App {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts }
  const app = fastify<RawServerDefault>({
    loggerInstance: options.logger,
    // http/request-checks.ts logs requests instead.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: timeouts.requestMs,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // http/request-checks.ts requires the Host: Node's own refusal is an empty 400.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => answerClientError(error, socket, underWay),
    // Fastify finds a URL that cannot be decoded, and a parameter that is too long, before it has a route.
    frameworkErrors: (error, request: FastifyRequest, reply: FastifyReply) =>
      answerError(error, request, reply),
  })
  // By default Node leaves out headers beyond 2,000 names and values, even a second Host; http/request-checks.ts refuses
  // them.
  app.server.maxHeadersCount = 0
  // Fastify comes with a parser of plain text too; the API takes JSON alone.
  app.removeContentTypeParser('text/plain')
  const underWay = registerRequestsUnderWay(app, timeouts)
  registerSlowReaders(app, timeouts)
  app.setErrorHandler(answerError)
  // These headers are never wrong, and validating them would copy all headers of each request.
  app.setValidatorCompiler<z.core.$ZodType>((part) =>
    part.schema === revalidationHeaders ? () => true : validatorCompiler(part),
  )
  app.setSerializerCompiler(serializerCompiler)
  return app.withTypeProvider<ZodTypeProvider>()
}
