import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { App } from '../server.js'

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
        { name: 'health', description: 'Probes' },
      ],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // No validator badge: it would send the reader's address to a server elsewhere.
    uiConfig: { validatorUrl: null, tryItOutEnabled: true },
    theme: { title: 'Stockpile API' },
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  app.get('/', { schema: { hide: true } }, (_request, reply) => reply.redirect('/docs'))
}
