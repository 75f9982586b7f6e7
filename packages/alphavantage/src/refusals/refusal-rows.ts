import type { RefusalRow, RefusalScope, Remembered } from '@stockpile/domain/refusal'
import { DISPOSITIONS } from './dispositions.js'

/** One class of the table of refusals, for a reader. */
export interface ReadableRefusal {
  class: string
  /** Sentences: what happened, what the worker does about it, and what a person should do. */
  meaning: string
  action: string
  advice: string
  scope: RefusalScope
  /** Which requests are not sent again within a day. */
  remembered: Remembered
}

/** All rows of the table of refusals, in its order, from which docs/failures.md is made. */
export function refusalRows(): ReadableRefusal[] {
  return Object.entries(DISPOSITIONS).map(([name, row]) => ({
    class: name,
    meaning: row.meaning,
    action: actionOf(row),
    advice: row.advice,
    scope: row.scope,
    remembered: row.remembered,
  }))
}

function actionOf(row: RefusalRow): string {
  const { disposition } = row
  if (disposition.action === 'retry') {
    const attempts = `Makes ${disposition.maxAttempts} attempts in all, with a backoff between them`
    return row.scope === 'provider' ? `${attempts}; waits while nobody is answered.` : `${attempts}.`
  }
  if (disposition.action === 'snooze') return waitOf(row, disposition.waitMs)
  const first = row.compactFallback === null ? '' : COMPACT_FIRST[row.compactFallback]
  const after = row.scope === 'access' ? ', and does not ask for the like with this key for a day' : ''
  return `Fails the item at once${after}.${first}`
}

const COMPACT_FIRST = {
  always: ' When the full history was refused, asks for the newest rows first.',
  auto: ' When the full history was refused that it chose itself (`auto`), asks for the newest rows first.',
}

/** Says which requests a wait stops, and for how long. */
function waitOf({ scope, limit }: RefusalRow, waitMs: number): string {
  if (scope === 'key')
    return 'Sends nothing with this key, but one request after 1, 2, 4 … 24 h; goes on at once with another key.'
  if (limit === 'day') return 'Sends nothing until the day has room again.'
  const seconds = `${waitMs / 1_000} s`
  return limit === null
    ? `Sends nothing for as long as the server says, else ${seconds}.`
    : `Sends nothing for ${seconds}.`
}
