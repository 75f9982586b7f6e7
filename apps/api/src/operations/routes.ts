import type { Dependencies } from '../dependencies.js'
import { registerBoard } from './board.js'
import { healthRoutes } from './health.js'
import { indexRoutes } from './index-route.js'
import { workerRoutes } from './workers.js'
import type { App } from '../types.js'

/** /api, /healthz, /readyz, /api/workers and the board at /queues. */
export async function operationsRoutes(app: App, dependencies: Dependencies): Promise<void> {
  await registerBoard(app, dependencies)
  workerRoutes(app, dependencies)
  healthRoutes(app, dependencies)
  indexRoutes(app)
}
