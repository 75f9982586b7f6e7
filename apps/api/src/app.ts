import type { Pool } from '@stockpile/db/connection'
import type { IngestQueue } from '@stockpile/queue/queue'
import type { Logger } from '@stockpile/log/logger'
import { createDispatch } from './dispatch.js'
import { registerBoard } from './plugins/board.js'
import { registerCompression } from './plugins/compression.js'
import { registerNotFound } from './plugins/not-found.js'
import { registerOpenapi } from './plugins/openapi.js'
import { registerRequests } from './plugins/requests.js'
import { registerSyntheticData } from './plugins/synthetic-data.js'
import { cancelRoutes } from './routes/cancel.js'
import { createRunRoutes } from './routes/create-run.js'
import { failureRoutes } from './routes/failures.js'
import { financialDataRoutes } from './routes/financial-data.js'
import { healthRoutes } from './routes/health.js'
import { ingestRoutes } from './routes/ingest.js'
import { itemRoutes } from './routes/items.js'
import { quotaRoutes } from './routes/quota.js'
import { rejectedRowRoutes } from './routes/rejected-rows.js'
import { retryRoutes } from './routes/retry.js'
import { revisionRoutes } from './routes/revisions.js'
import { startRoutes } from './routes/start.js'
import { statisticsRoutes } from './routes/statistics.js'
import { workerRoutes } from './routes/workers.js'
import { createExports } from './exports.js'
import { createHeavyStatements } from './heavy-statements.js'
import { createServer } from './server.js'
import type { App, Timeouts } from './server.js'

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
