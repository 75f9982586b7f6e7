import type { Item, ItemState, Run } from './api.js'
import { failureText, timedText } from './item-text.js'
import { doneItems, headText, summary, warningTexts } from './run-text.js'
import { elapsedMs, isFinished, SMALL_RUN, type Snapshot } from './snapshot.js'
import { waitText } from './wait-text.js'
import { duration, thousands } from '../terminal/figures.js'
import type { Line, Span } from '../terminal/paint.js'

const BAR_WIDTH = 24
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
/** The newest failures of a large run, which are shown below its bar. */
const MAX_FAILURES = 5

/** A line for work that takes a moment, with a spinner. `frame` counts the redraws. */
export function busyLine(text: string, frame: number): Line {
  return [{ text: `${spinnerAt(frame)} `, style: 'cyan' }, { text }]
}

/** The lines of a run on a terminal: redrawn while the run goes on, printed once when it has finished. */
export function runBlock({ run, begunAt, items }: Snapshot, now: Date, frame: number): Line[] {
  const spinner = spinnerAt(frame)
  const head: Line = isFinished(run)
    ? [mark(run), { text: ' ' }, { text: summary(run, begunAt), hang: true }]
    : [
        { text: `${spinner} `, style: 'cyan' },
        ...bar(run.counts),
        { text: ' ' },
        { text: headText(run, now), hang: true },
        { text: ` · ${duration(elapsedMs(begunAt, now))}`, style: 'dim' },
      ]
  const wait = waitText(run, now)
  const told = [...(wait === undefined ? [] : [wait]), ...warningTexts(run)]
  const top = [head, ...told.map((text): Line => [{ text: '  ' }, { text, style: 'yellow', hang: true }])]
  if (run.counts.total > SMALL_RUN) return [...top, ...failureBlock(items, run.counts.failed)]
  const width = Math.max(...items.map((item) => item.symbol.length), 0)
  return [...top, ...items.map((item) => itemLine(item, width, spinner, now))]
}

function spinnerAt(frame: number): string {
  return SPINNER[frame % SPINNER.length] ?? ''
}

function bar(counts: Run['counts']): Span[] {
  const full = Math.round((BAR_WIDTH * doneItems(counts)) / counts.total)
  return [
    { text: '█'.repeat(full), style: 'green' },
    { text: '░'.repeat(BAR_WIDTH - full), style: 'dim' },
  ]
}

function mark({ status }: Run): Span {
  if (status === 'succeeded') return { text: '✓', style: 'green' }
  return status === 'failed' ? { text: '✗', style: 'red' } : { text: '!', style: 'yellow' }
}

function itemLine(item: Item, width: number, spinner: string, now: Date): Line {
  const signs: Record<string, Span> = {
    pending: { text: '·', style: 'dim' },
    running: { text: spinner, style: 'cyan' },
    succeeded: { text: '✓', style: 'green' },
    failed: { text: '✗', style: 'red' },
    cancelled: { text: '-', style: 'dim' },
  } satisfies Record<ItemState, Span>
  const text: Span = { text: timedText(item, now), hang: true }
  if (item.state === 'failed') text.style = 'red'
  else if (item.state === 'pending') text.style = item.error === null ? 'dim' : 'yellow'
  return [
    { text: '  ' },
    signs[item.state] ?? { text: '?' },
    { text: ` ${item.symbol.padEnd(width)}  `, style: 'bold' },
    text,
  ]
}

function failureBlock(items: Item[], count: number): Line[] {
  const failed = items.filter((item) => item.state === 'failed').slice(-MAX_FAILURES)
  const lines = failed.map((item): Line => [
    { text: '  ✗', style: 'red' },
    { text: ` ${item.symbol}  `, style: 'bold' },
    { text: failureText(item), style: 'red', hang: true },
  ])
  return count > failed.length && failed.length > 0
    ? [
        ...lines,
        [{ text: `    and ${thousands(count - failed.length)} more: see /api/failures`, style: 'dim' }],
      ]
    : lines
}
