import * as z from 'zod'
import { answerOf, problems } from '../http/envelope.js'
import { strict } from '../http/parameters.js'
import type { App } from '../types.js'
import { INFO } from '../http/info.js'

const LINKS = {
  documentation: '/docs',
  openapi: '/openapi.json',
  financial_data: '/api/financial_data',
  statistics: '/api/statistics',
  runs: '/api/ingest',
  failures: '/api/failures',
  rejected_rows: '/api/rejected_rows',
  quota: '/api/quota',
  readiness: '/readyz',
} as const

const linksSchema = z.record(z.string(), z.string())

/** Three bars of a price chart, 16 × 16 in four colours: a BMP in an ICO, which every browser takes at this address. */
const ICON = Buffer.from(
  'AAABAAEAEBAEAAEABAD4AAAAFgAAACgAAAAQAAAAIAAAAAEABAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAMn0uACgoxgD///8AAAAAAAAAAAAAEAAAAAAAAAAQAAAAAAAAAREAAgAAAAABEQACAAAAAAERACIgAAAAAREAIiAAEAABEQAiIAAQAAERACIgAREAABAAIiABEQAAEAAiIAERAAAAACIgAREAAAAAAgABEQAAAAACAAERAAAAAAAAABAAAAAAAAAAAAD//wAA3/8AAN//AACO/wAAjv8AAIx/AACMdwAAjHcAAIxjAADcYwAA3GMAAPxjAAD+4wAA/uMAAP/3AAD//wAA',
  'base64',
)
const ICON_SECONDS = 86_400

/** What a client finds that knows nothing but the host: a list of addresses, and the icon that browsers ask for. */
export function indexRoutes(app: App): void {
  app.get(
    '/api',
    {
      schema: {
        tags: ['health'],
        operationId: 'getIndex',
        summary: 'Where things are',
        querystring: strict({}),
        response: {
          200: answerOf({ description: 'Paths by name.', data: linksSchema, example: LINKS }),
          ...problems(400),
        },
      },
    },
    async () => ({ data: LINKS, info: INFO }),
  )

  app.get('/favicon.ico', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('image/x-icon').header('cache-control', `public, max-age=${ICON_SECONDS}`).send(ICON),
  )
}
