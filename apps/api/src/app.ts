import type { Pool } from '@stockpile/db/connection'
import type { Logger } from '@stockpile/log/logger'
import type { IngestQueue } from '@stockpile/queue/queue'
import { failureRoutes } from './failures/routes.js'
import { registerCompression } from './http/compression.js'
import { createHeavyStatements } from './http/heavy-statements.js'
import { registerNotFound } from './http/not-found.js'
import { registerOpenapi } from './http/openapi/openapi.js'
import { registerRequestChecks } from './http/request-checks.js'
import type { Timeouts } from './http/timeouts.js'
import { operationsRoutes } from './operations/routes.js'
import { priceRoutes } from './prices/routes.js'
import { registerSyntheticData } from './prices/synthetic-data.js'
import { quotaRoutes } from './quota/quota.js'
import { runRoutes } from './runs/routes.js'
import { createServer } from './server.js'
import type { App } from './types.js'

/** The caller opens the pools and the queue, and closes them after the app. */
export interface AppOptions {
  db: Pool
  /** For pages and small statistics alone. */
  dataDb: Pool
  /** For heavy statements alone. */
  heavyDb: Pool
  /** The queue may be away: the app serves and accepts runs without it. */
  queue: IngestQueue
  logger: Logger
  timeouts?: Partial<Timeouts>
}

/** Makes the whole API, ready for `inject()` or `listen()`. Each room registers its own routes. */
export async function buildApp({ db, dataDb, heavyDb, queue, logger, timeouts }: AppOptions): Promise<App> {
  const app = createServer({ logger, timeouts })
  const dependencies = { db, dataDb, heavy: createHeavyStatements(heavyDb), queue }

  registerRequestChecks(app)
  registerNotFound(app)
  const isSynthetic = registerSyntheticData(app, db)
  await registerCompression(app)
  await registerOpenapi(app)

  priceRoutes(app, dependencies, { isSynthetic, stallMs: timeouts?.stallMs })
  runRoutes(app, dependencies)
  failureRoutes(app, dependencies)
  quotaRoutes(app, dependencies)
  await operationsRoutes(app, dependencies)

  await app.ready()
  return app
}
