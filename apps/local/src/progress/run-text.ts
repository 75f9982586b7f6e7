import type { Run } from './api.js'
import { forecastTime } from './clock-time.js'
import { rowsText } from './item-text.js'
import { elapsedMs, isFinished } from './snapshot.js'
import { counted, duration, thousands } from '../terminal/figures.js'

/** A run that is done sooner needs no forecast. */
const LONG_RUN_MS = 60_000

/** How far a run is that goes on. */
export function headText(run: Run, now: Date): string {
  const { counts, rows } = run
  const parts = [`${thousands(doneItems(counts))} of ${counted(counts.total, 'symbol')}`]
  const when = forecastText(run, now)
  if (when !== undefined) parts.push(when)
  if (counts.failed > 0) parts.push(`${thousands(counts.failed)} failed`)
  if (rows.fetched > 0) parts.push(`${thousands(rows.fetched)} rows`)
  return parts.join(' · ')
}

/** When a run will be done; undefined when nobody knows, or when it is done within a minute. */
export function forecastText({ estimated_completion_at: at }: Run, now: Date): string | undefined {
  if (at === null || at.getTime() - now.getTime() < LONG_RUN_MS) return undefined
  return `done about ${forecastTime(at, now)}`
}

/** What became of a finished run. */
export function summary(run: Run, begunAt: Date): string {
  const { counts, rows } = run
  const seconds = duration(elapsedMs(begunAt, run.finished_at ?? begunAt))
  if (counts.cancelled > 0) {
    return `cancelled: ${thousands(counts.succeeded)} of ${counted(counts.total, 'symbol')} had come in, ${rowsText(rows)}`
  }
  if (counts.failed > 0) {
    return `${thousands(counts.succeeded)} of ${counted(counts.total, 'symbol')} came in within ${seconds}, ${thousands(counts.failed)} failed; ${rowsText(rows)}`
  }
  // An answer without rows is a failure, so a run without failures and without rows sent no request.
  if (rows.fetched === 0)
    return `no request was needed for ${counted(counts.total, 'symbol')}: nothing new, or another run brought it`
  return `${counted(counts.total, 'symbol')} came in within ${seconds}: ${rowsText(rows)}`
}

/** The warnings of a finished run. While a run goes on, rows that it warns of may still come. */
export function warningTexts(run: Run): string[] {
  return isFinished(run) ? run.warnings.map((warning) => warning.detail) : []
}

/** How many items of a run have ended, whatever became of them. */
export function doneItems({ succeeded, failed, cancelled }: Run['counts']): number {
  return succeeded + failed + cancelled
}
