import type { Database } from '@stockpile/db/connection'
import { forecastRuns } from '@stockpile/db/run-forecast'
import type { Run } from '@stockpile/db/run-status'
import type * as z from 'zod'
import { runAnswer } from './schemas/run.js'
import type { runSchema } from './schemas/run.js'

/** A run as it is answered, with its forecast. */
export async function answerRun(db: Database, run: Run): Promise<z.infer<typeof runSchema>> {
  return runAnswer(run, (await forecastsOf(db, [run])).get(run.id) ?? null)
}

/** The same for a page of runs, whose forecasts are made together. */
export async function answerRuns(db: Database, runs: readonly Run[]): Promise<z.infer<typeof runSchema>[]> {
  const forecasts = await forecastsOf(db, runs)
  return runs.map((run) => runAnswer(run, forecasts.get(run.id) ?? null))
}

/** None of a run that waits for a key, even one whose key is missing rather than refused: that may take any time. */
function forecastsOf(db: Database, runs: readonly Run[]): Promise<Map<string, string | null>> {
  const going = runs.filter((run) => run.finishedAt === null && run.status !== 'blocked')
  return forecastRuns(
    db,
    going.map((run) => run.id),
  )
}
