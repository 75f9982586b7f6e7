import swagger from '@fastify/swagger'
import type { SwaggerTransformObject } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { App } from '../server.js'

type SchemaConfig = NonNullable<
  NonNullable<Parameters<typeof createJsonSchemaTransform>[0]>['zodToJsonConfig']
>

/** Leaves out what only a validator reads: the regular expression behind a format, the limits of a safe integer. */
const zodToJsonConfig: SchemaConfig = {
  override: ({ zodSchema, jsonSchema }) => {
    // Zod drops these for a parameter that is parsed from text.
    const described = z.globalRegistry.get(zodSchema)
    if (Array.isArray(described?.examples)) jsonSchema.examples ??= described.examples
    if (typeof described?.['default'] === 'number') jsonSchema.default = described['default']
    if (jsonSchema.format !== undefined) delete jsonSchema.pattern
    if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
  },
}

/** The type provider adds each component a second time, as an input; here all components are of answers. */
function withoutInputs(document: ReturnType<SwaggerTransformObject>): ReturnType<SwaggerTransformObject> {
  const schemas = 'components' in document ? document.components?.schemas : undefined
  for (const name of Object.keys(schemas ?? {})) {
    if (name.endsWith('Input')) delete schemas?.[name]
  }
  return document
}

type Transform = ReturnType<typeof createJsonSchemaTransform>

const anyRecord = z.record(z.string(), z.unknown())
const responsesSchema = z.record(z.string(), z.looseObject({ headers: anyRecord.optional() })).catch({})
const mediaSchema = z.record(
  z.string(),
  z.looseObject({ schema: z.looseObject({ examples: z.array(z.unknown()).optional() }) }),
)

/** Of a response by media type the type provider drops the headers, and leaves the example within the schema. */
function withMedia(transform: Transform): Transform {
  return (document) => {
    const transformed = transform(document)
    const given = responsesSchema.parse(document.schema?.response)
    const response = anyRecord.safeParse(transformed.schema?.['response'])
    if (!response.success) return transformed
    const described = Object.entries(response.data).map(([status, one]) => {
      const { content, ...rest } = anyRecord.parse(one)
      if (content === undefined) return [status, one] as const
      const media = Object.entries(mediaSchema.parse(content)).map(([type, { schema }]) => {
        const { examples, ...bare } = schema
        return [type, { schema: bare, ...(examples && { example: examples[0] }) }] as const
      })
      const headers = given[status]?.headers
      return [status, { ...rest, ...(headers && { headers }), content: Object.fromEntries(media) }] as const
    })
    return { ...transformed, schema: { ...transformed.schema, response: Object.fromEntries(described) } }
  }
}

/** /openapi.json and its UI at /docs. To be registered before the routes it should describe. */
export async function registerOpenapi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Stockpile',
        version: '0.1.0',
        description: [
          'Keeps a database of daily stock prices from Alpha Vantage and serves it.',
          'Prices are exactly as the provider wrote them: raw, not adjusted for splits.',
          'Errors are application/problem+json (RFC 9457), and carry info.error like every other answer.',
        ].join(' '),
      },
      tags: [
        { name: 'data', description: 'What is stored' },
        { name: 'ingest', description: 'Runs that fetch symbols, and what went wrong' },
        { name: 'quota', description: "The provider's limits" },
        { name: 'health', description: 'Probes' },
      ],
    },
    transform: withMedia(createJsonSchemaTransform({ zodToJsonConfig })),
    transformObject: (document) =>
      withoutInputs(createJsonSchemaTransformObject({ zodToJsonConfig })(document)),
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // No validator badge: it would send the reader's address to a server elsewhere.
    uiConfig: { validatorUrl: null, tryItOutEnabled: true, deepLinking: true },
    theme: {
      title: 'Stockpile API',
      css: [{ filename: 'stockpile.css', content: '.swagger-ui .topbar { display: none }' }],
    },
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  app.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
}
