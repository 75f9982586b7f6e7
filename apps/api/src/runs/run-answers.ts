import type { Database } from '@stockpile/db/connection'
import { forecastRuns } from '@stockpile/db/run-forecast'
import type { Run } from '@stockpile/db/run-status'
import type * as z from 'zod'
import { runAnswer } from './run-schema.js'
import type { runSchema } from './run-schema.js'

/** Runs as they are answered, with their forecasts, which are made together. */
export async function answerRuns(db: Database, runs: readonly Run[]): Promise<z.infer<typeof runSchema>[]> {
  const estimates = await forecastRuns(db, runs)
  return runs.map((run) => runAnswer(run, estimates.get(run.id) ?? { at: null, unknownBecause: null }))
}

/** The same for one. */
export async function answerRun(db: Database, run: Run): Promise<z.infer<typeof runSchema>> {
  const [answer] = await answerRuns(db, [run])
  if (answer === undefined) throw new Error('a run has an answer')
  return answer
}
