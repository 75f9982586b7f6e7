import type { Database } from '@stockpile/db/connection'
import { forecastRuns } from '@stockpile/db/run-forecast'
import { getRun } from '@stockpile/db/run-status'
import type { Run } from '@stockpile/db/run-status'
import type * as z from 'zod'
import { ProblemError } from '../http/problem.js'
import { runAnswer } from './run-schema.js'
import type { runSchema } from './run-schema.js'

/** @throws ProblemError 404 when there is no run with the id */
export async function requireRun(db: Database, id: string): Promise<Run> {
  const run = await getRun(db, id)
  if (run === null) throw new ProblemError(404, 'There is no run with this id.')
  return run
}

/** Makes the answers of several runs, whose forecasts are read together. */
export async function answerRuns(db: Database, runs: readonly Run[]): Promise<z.infer<typeof runSchema>[]> {
  const estimates = await forecastRuns(db, runs)
  return runs.map((run) => runAnswer(run, estimates.get(run.id) ?? { at: null, unknownBecause: null }))
}

/** Makes the answer of a run, with its forecast. */
export async function answerRun(db: Database, run: Run): Promise<z.infer<typeof runSchema>> {
  const [answer] = await answerRuns(db, [run])
  if (answer === undefined) throw new Error('a run has an answer')
  return answer
}
