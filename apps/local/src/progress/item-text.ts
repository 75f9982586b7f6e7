import type { Item, Run } from './api.js'
import { duration, thousands } from '../terminal/figures.js'
import { withAdvice } from '../programs/log-line.js'
import { isLongWait, itemWaitText } from './wait-text.js'

const AGAIN = 'will be tried again'

/** The state of an item in words that stay while its state stays, so that two looks can be compared. */
export function itemText(item: Item, now: Date): string {
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

/** The state of an item, with the time until its next attempt, which is another at each look. */
export function timedText(item: Item, now: Date): string {
  const text = itemText(item, now)
  if (item.state !== 'pending' || item.next_attempt_at === null) return text
  // The line of the run says until when everything waits; the item's own instant is only that of its next look.
  if (item.waiting_for !== null && item.waiting_for !== 'quota') return text
  const ms = item.next_attempt_at.getTime() - now.getTime()
  if (ms <= 0) return text
  const again = `${AGAIN}:`
  return text.startsWith(again)
    ? `${AGAIN} in ${duration(ms)}:${text.slice(again.length)}`
    : `${text} (next attempt in ${duration(ms)})`
}

function successText({ outcome, rows, history_limited }: Item): string {
  if (outcome === 'coalesced') return 'came in with another run: no request was needed'
  if (outcome === 'up_to_date') return 'up to date: no request was needed'
  return `${rowsText(rows)}${history_limited ? ', only the newest are served' : ''}`
}

export function failureText(item: Item): string {
  return `failed: ${whyText(item)}`
}

function whyText({ symbol, error }: Item): string {
  if (error === null) return ''
  const own = `${symbol}: `
  const detail = error.detail.startsWith(own) ? error.detail.slice(own.length) : error.detail
  return withAdvice(detail, error.advice)
}

/** How many rows a run or an item fetched, and what became of them. */
export function rowsText(rows: Run['rows']): string {
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
