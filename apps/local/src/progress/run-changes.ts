import type { Item, Run } from './api.js'
import { itemText, timedText } from './item-text.js'
import { doneItems, forecastText, headText, summary, warningTexts } from './run-text.js'
import { elapsedMs, isFinished, SMALL_RUN, type Snapshot } from './snapshot.js'
import { waitReason, waitText } from './wait-text.js'
import { counted, duration } from '../terminal/figures.js'

/**
 * What is printed where no terminal can redraw a block: a line for each change from one snapshot of a run to the next.
 * @param previous undefined for a run that was not seen before
 */
export function changes(previous: Snapshot | undefined, next: Snapshot, now: Date): string[] {
  const { run, begunAt, items } = next
  const lines: string[] = []
  if (previous === undefined && !isFinished(run)) {
    const what = run.counts.total > SMALL_RUN ? '' : `: ${items.map((item) => item.symbol).join(', ')}`
    const when = forecastText(run, now)
    const long = when === undefined ? '' : ` · ${when}`
    lines.push(`run ${run.id} asks for ${counted(run.counts.total, 'symbol')}${what}${long}`)
  }
  const before = new Map(previous?.items.map((item) => [item.id, item]))
  for (const item of items) {
    const was = before.get(item.id)
    const text = itemText(item, now)
    if (isQuiet(item, was) || (was !== undefined && itemText(was, now) === text)) continue
    lines.push(`${item.symbol}: ${timedText(item, now)}`)
  }
  if (run.counts.total > SMALL_RUN && !isFinished(run) && step(previous?.run) !== step(run)) {
    lines.push(`${headText(run, now)} · ${duration(elapsedMs(begunAt, now))}`)
  }
  const wait = waitText(run, now)
  if (wait !== undefined && waitReason(previous?.run, now) !== waitReason(run, now)) lines.push(wait)
  if (isFinished(run)) lines.push(summary(run, begunAt), ...warningTexts(run))
  return lines
}

/**
 * Whether the state of an item gets no line. A wait that holds all items is told by the run's line, and an item that is
 * taken after a wait often only finds that the wait goes on.
 */
function isQuiet(item: Item, was: Item | undefined): boolean {
  if (item.state === 'running') return was !== undefined && was.waiting_for !== null
  return item.state === 'pending' && (item.waiting_for !== null || item.error === null)
}

/** The tenths of a run that are done. A large run gets a line for each. */
function step(run: Run | undefined): number | undefined {
  return run === undefined ? undefined : Math.floor((10 * doneItems(run.counts)) / run.counts.total)
}
