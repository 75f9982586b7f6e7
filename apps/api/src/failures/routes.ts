import type { Dependencies } from '../dependencies.js'
import { failureListRoutes } from './failures.js'
import { rejectedRowRoutes } from './rejected-rows.js'
import type { App } from '../types.js'

/** /api/failures and /api/rejected_rows. */
export function failureRoutes(app: App, dependencies: Dependencies): void {
  failureListRoutes(app, dependencies)
  rejectedRowRoutes(app, dependencies)
}
