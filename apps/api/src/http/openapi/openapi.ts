import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { App } from '../../types.js'
import { completeDocument } from './openapi-answers.js'

type SchemaConfig = NonNullable<
  NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig']
>

/** Leaves out of schemas what only a validator reads: the regular expression of a format, the limits of a safe integer. */
const zodToJsonConfig: SchemaConfig = {
  override: ({ zodSchema, jsonSchema }) => {
    // Zod drops examples and default of a parameter that is parsed from text.
    const described = z.globalRegistry.get(zodSchema)
    if (Array.isArray(described?.examples)) jsonSchema.examples ??= described.examples
    if (typeof described?.['default'] === 'number') jsonSchema.default = described['default']
    // In paths @fastify/swagger writes a constant as a list of one value; components say it in the same way.
    if (jsonSchema.const !== undefined) {
      jsonSchema.enum = [jsonSchema.const]
      delete jsonSchema.const
    }
    if (jsonSchema.format !== undefined) delete jsonSchema.pattern
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  },
}

/** Serves the document at /openapi.json and its UI at /docs. Register it before the routes that it describes. */
export async function registerOpenapi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      // The API is wherever the document was served from, and authenticates nobody yet.
      servers: [{ url: '/' }],
      security: [],
      info: {
        title: 'Stockpile',
        version: '0.1.0',
        license: { name: 'Unlicensed', identifier: 'UNLICENSED' },
        description: [
          'Keeps a database of daily stock prices from Alpha Vantage and serves it.',
          'Prices are exactly as the provider wrote them: raw, not adjusted for splits.',
          'Where a simulator answered in place of Alpha Vantage every answer says so: info.synthetic_data, X-Synthetic-Data of CSV and NDJSON.',
          'Errors are application/problem+json (RFC 9457), and carry info.error like every other answer.',
          'An unknown address is 404; a method that an address does not take is 405 with Allow.',
          'HEAD is answered wherever GET is. Every answer has an X-Request-Id.',
        ].join(' '),
      },
      tags: [
        { name: 'data', description: 'What is stored' },
        { name: 'ingest', description: 'Runs that fetch symbols, and what went wrong' },
        { name: 'quota', description: "The provider's limits" },
        { name: 'workers', description: 'The processes that fetch and store' },
        { name: 'health', description: 'Probes' },
      ],
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: (document) =>
      completeDocument(createJsonSchemaTransformObject({ zodToJsonConfig })(document)),
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    transformSpecification: withoutErrorBodies,
    transformSpecificationClone: true,
    // The badge of a validator would send the reader's address to a server elsewhere.
    uiConfig: { validatorUrl: null, tryItOutEnabled: true, deepLinking: true },
    theme: {
      title: 'Stockpile API',
      css: [{ filename: 'stockpile.css', content: '.swagger-ui .topbar { display: none }' }],
    },
  })
  let text: string | undefined
  app.get('/openapi.json', { schema: { hide: true } }, (_request, reply) => {
    // The document does not change, and writing it takes longer than most answers.
    text ??= JSON.stringify(app.swagger())
    return reply.type('application/json; charset=utf-8').send(text)
  })
  app.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
}

const pageSchema = z.looseObject({
  components: z.looseObject({
    responses: z.record(z.string(), z.looseObject({ headers: z.record(z.string(), z.unknown()) })),
  }),
})

/**
 * The document as /docs shows it, with an error of an operation as one line. All errors have the body of the schema
 * Problem, which the page would repeat nine times, seven screens long.
 */
function withoutErrorBodies(document: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const page = pageSchema.parse(document)
  for (const response of Object.values(page.components.responses)) {
    delete response['content']
    delete response.headers['X-Request-Id']
  }
  return page
}
