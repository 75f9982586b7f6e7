import type { Item, ItemState, Run } from './api.js'
import { forecastTime } from './clock.js'
import { withAdvice } from '../programs/log-line.js'
import type { Line, Span } from '../terminal/paint.js'
import { isLongWait, itemWaitText, waitReason, waitText } from './waiting.js'

/** A run as it was at some moment. */
export interface Snapshot {
  run: Run
  /** When it was asked for or, if that was before this npm start, when this began: nobody worked in between. */
  begunAt: Date
  /** All of a small run's items; of a large one the failed ones. */
  items: Item[]
}

/** Up to here each item has a line of its own. */
export const SMALL_RUN = 8

const BAR_WIDTH = 24
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const MAX_FAILURES = 5
const AGAIN = 'will be tried again'
/** What is done sooner needs no forecast. */
const LONG_RUN_MS = 60_000

export function isFinished(run: Run): boolean {
  return run.finished_at !== null
}

/** A line for what takes a moment. */
export function busyLine(text: string, frame: number): Line {
  return [{ text: `${spinnerAt(frame)} `, style: 'cyan' }, { text }]
}

/** The block of a run on a terminal, while it goes on and as it then stays there. */
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

/** What a person without a terminal reads of the way from one snapshot to the next: one line a change. */
export function changes(previous: Snapshot | undefined, next: Snapshot, now: Date): string[] {
  const { run, begunAt, items } = next
  const lines: string[] = []
  if (previous === undefined && !isFinished(run)) {
    const what = run.counts.total > SMALL_RUN ? '' : `: ${items.map((item) => item.symbol).join(', ')}`
    const when = forecastText(run, now)
    const long = when === undefined ? '' : ` · ${when}`
    lines.push(`run ${run.id} asks for ${symbols(run.counts.total)}${what}${long}`)
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

/** Said once all is over: until then what is missing may still come. */
function warningTexts(run: Run): string[] {
  return isFinished(run) ? run.warnings.map((warning) => warning.detail) : []
}

/** What all wait for is said once, of the run; and who is taken after a wait may only find that it goes on. */
function isQuiet(item: Item, was: Item | undefined): boolean {
  if (item.state === 'running') return was !== undefined && was.waiting_for !== null
  return item.state === 'pending' && (item.waiting_for !== null || item.error === null)
}

function spinnerAt(frame: number): string {
  return SPINNER[frame % SPINNER.length] ?? ''
}

/** Tenths that are done: what a large run gets a line for. */
function step(run: Run | undefined): number | undefined {
  return run === undefined ? undefined : Math.floor((10 * done(run.counts)) / run.counts.total)
}

function done({ succeeded, failed, cancelled }: Run['counts']): number {
  return succeeded + failed + cancelled
}

function bar(counts: Run['counts']): Span[] {
  const full = Math.round((BAR_WIDTH * done(counts)) / counts.total)
  return [
    { text: '█'.repeat(full), style: 'green' },
    { text: '░'.repeat(BAR_WIDTH - full), style: 'dim' },
  ]
}

function headText(run: Run, now: Date): string {
  const { counts, rows } = run
  const parts = [`${thousands(done(counts))} of ${symbols(counts.total)}`]
  const when = forecastText(run, now)
  if (when !== undefined) parts.push(when)
  if (counts.failed > 0) parts.push(`${thousands(counts.failed)} failed`)
  if (rows.fetched > 0) parts.push(`${thousands(rows.fetched)} rows`)
  return parts.join(' · ')
}

function forecastText({ estimated_completion_at: at }: Run, now: Date): string | undefined {
  if (at === null || at.getTime() - now.getTime() < LONG_RUN_MS) return undefined
  return `done about ${forecastTime(at, now)}`
}

/** Of a finished run. */
function summary(run: Run, begunAt: Date): string {
  const { counts, rows } = run
  const seconds = duration(elapsedMs(begunAt, run.finished_at ?? begunAt))
  if (counts.cancelled > 0) {
    return `cancelled: ${thousands(counts.succeeded)} of ${symbols(counts.total)} had come in, ${rowsText(rows)}`
  }
  if (counts.failed > 0) {
    return `${thousands(counts.succeeded)} of ${symbols(counts.total)} came in within ${seconds}, ${thousands(counts.failed)} failed; ${rowsText(rows)}`
  }
  // Who fetched has rows.
  if (rows.fetched === 0)
    return `no request was needed for ${symbols(counts.total)}: nothing new, or another run brought it`
  return `${symbols(counts.total)} came in within ${seconds}: ${rowsText(rows)}`
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

function itemText(item: Item, now: Date): string {
  switch (item.state) {
    case 'running':
      return 'fetching'
    case 'succeeded':
      return successText(item)
    case 'failed':
      return failureText(item)
    case 'cancelled':
      return 'cancelled'
    case 'pending':
      if (isLongWait(item.waiting_for, item.next_attempt_at, now)) {
        return itemWaitText(item.waiting_for)
      }
      return item.error === null ? 'waiting' : `${AGAIN}: ${whyText(item)}`
    default:
      return item.state
  }
}

function successText({ outcome, rows, history_limited }: Item): string {
  if (outcome === 'coalesced') return 'came in with another run: no request was needed'
  if (outcome === 'up_to_date') return 'up to date: no request was needed'
  return `${rowsText(rows)}${history_limited ? ', only the newest are served' : ''}`
}

function failureText(item: Item): string {
  return `failed: ${whyText(item)}`
}

function whyText({ symbol, error }: Item): string {
  if (error === null) return ''
  const own = `${symbol}: `
  const detail = error.detail.startsWith(own) ? error.detail.slice(own.length) : error.detail
  return withAdvice(detail, error.advice)
}

/** The text with what changes at each look: how long it is to the next attempt. */
function timedText(item: Item, now: Date): string {
  const text = itemText(item, now)
  if (item.state !== 'pending' || item.next_attempt_at === null) return text
  // What all wait for is told of the run, with its own instant: this one is only when the item is looked at again.
  if (item.waiting_for !== null && item.waiting_for !== 'quota') return text
  const ms = item.next_attempt_at.getTime() - now.getTime()
  if (ms <= 0) return text
  const again = `${AGAIN}:`
  return text.startsWith(again)
    ? `${AGAIN} in ${duration(ms)}:${text.slice(again.length)}`
    : `${text} (next attempt in ${duration(ms)})`
}

function rowsText(rows: Run['rows']): string {
  const kinds = [
    [rows.inserted, 'new'],
    [rows.updated, 'changed'],
    [rows.unchanged, 'as before'],
    [rows.rejected, 'rejected'],
    [rows.provisional, 'of an open session left out'],
  ] as const
  const parts = kinds.filter(([count]) => count > 0).map(([count, kind]) => `${thousands(count)} ${kind}`)
  const total = `${thousands(rows.fetched)} ${rows.fetched === 1 ? 'row' : 'rows'}`
  return parts.length === 0 ? total : `${total} (${parts.join(', ')})`
}

function elapsedMs(begunAt: Date, now: Date): number {
  return Math.max(0, now.getTime() - begunAt.getTime())
}

/** 4 s, 2 min 5 s, 3 h 20 min, 2 days 4 h. */
export function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} days ${hours % 24} h`
}

export function thousands(count: number): string {
  return count.toLocaleString('en-US')
}

function symbols(count: number): string {
  return `${thousands(count)} ${count === 1 ? 'symbol' : 'symbols'}`
}
