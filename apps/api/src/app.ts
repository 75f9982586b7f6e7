import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Logger } from '@stockpile/log/logger'
import { createDispatch } from './runs/dispatch.js'
import { registerBoard } from './operations/board.js'
import { registerCompression } from './http/compression.js'
import { registerNotFound } from './http/not-found.js'
import { registerOpenapi } from './http/openapi/openapi.js'
import { registerRequests } from './http/request-checks.js'
import { registerSyntheticData } from './prices/synthetic-data.js'
import { cancelRoutes } from './runs/cancel.js'
import { createRunRoutes } from './runs/create.js'
import { failureRoutes } from './failures/failures.js'
import { financialDataRoutes } from './prices/financial-data.js'
import { healthRoutes } from './operations/health.js'
import { ingestRoutes } from './runs/read.js'
import { itemRoutes } from './runs/items.js'
import { quotaRoutes } from './quota/quota.js'
import { rejectedRowRoutes } from './failures/rejected-rows.js'
import { retryRoutes } from './runs/retry.js'
import { revisionRoutes } from './prices/revisions.js'
import { startRoutes } from './operations/start.js'
import { statisticsRoutes } from './prices/statistics.js'
import { workerRoutes } from './operations/workers.js'
import { createExports } from './prices/exports.js'
import { createHeavyStatements } from './http/heavy-statements.js'
import { createServer } from './server.js'
import type { App } from './types.js'
import type { Timeouts } from './http/timeouts.js'

export interface AppOptions {
  /** Closed by whoever opened it, after the app; see Dependencies. */
  db: Pool
  /** As `db`. */
  dataDb: Pool
  /** As `db`. */
  heavyDb: Pool
  /** As `db`. It may be away: the app serves and accepts runs without it. */
  queue: IngestQueue
  logger: Logger
  timeouts?: Partial<Timeouts>
}

/** The whole API, ready for `inject()` or `listen()`. */
export async function buildApp({ db, dataDb, heavyDb, queue, logger, timeouts }: AppOptions): Promise<App> {
  const app = createServer({ logger, timeouts })
  const heavy = createHeavyStatements(heavyDb)
  const dependencies = { db, dataDb, heavy, queue, dispatch: createDispatch({ db, queue }) }

  registerRequests(app)
  registerNotFound(app)
  const synthetic = registerSyntheticData(app, db)
  await registerCompression(app)
  await registerOpenapi(app)
  await registerBoard(app, dependencies)
  financialDataRoutes(app, dependencies, createExports(app, timeouts), synthetic)
  statisticsRoutes(app, dependencies)
  revisionRoutes(app, dependencies)
  createRunRoutes(app, dependencies)
  ingestRoutes(app, dependencies)
  itemRoutes(app, dependencies)
  cancelRoutes(app, dependencies)
  retryRoutes(app, dependencies)
  failureRoutes(app, dependencies)
  rejectedRowRoutes(app, dependencies)
  quotaRoutes(app, dependencies)
  workerRoutes(app, dependencies)
  healthRoutes(app, dependencies)
  startRoutes(app)

  await app.ready()
  return app
}
