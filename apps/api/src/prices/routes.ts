import type { Dependencies } from '../dependencies.js'
import { createExportPlaces } from './export-places.js'
import { financialDataRoutes } from './financial-data.js'
import { revisionRoutes } from './revisions.js'
import { statisticsRoutes } from './statistics.js'
import type { SyntheticData } from './synthetic-data.js'
import type { App } from '../types.js'

/** /api/financial_data, also as .csv and .ndjson, /api/statistics and /api/symbols/{symbol}/revisions. */
export function priceRoutes(
  app: App,
  dependencies: Dependencies,
  options: { isSynthetic: SyntheticData; stallMs: number | undefined },
): void {
  const places = createExportPlaces(app, options)
  financialDataRoutes(app, dependencies, { places, isSynthetic: options.isSynthetic })
  statisticsRoutes(app, dependencies)
  revisionRoutes(app, dependencies)
}
