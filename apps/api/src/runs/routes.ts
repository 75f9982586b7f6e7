import type { Dependencies } from '../dependencies.js'
import { cancelRoutes } from './cancel.js'
import { createRunRoutes } from './create.js'
import { createDispatch } from './dispatch.js'
import { itemRoutes } from './items.js'
import { readRunRoutes } from './read.js'
import { retryRoutes } from './retry.js'
import type { App } from '../types.js'

/** /api/ingest: a run is created, read, cancelled and retried; its items are listed. */
export function runRoutes(app: App, dependencies: Dependencies): void {
  const dispatch = createDispatch(dependencies)
  createRunRoutes(app, dependencies, dispatch)
  readRunRoutes(app, dependencies)
  itemRoutes(app, dependencies)
  cancelRoutes(app, dependencies, dispatch)
  retryRoutes(app, dependencies)
}
