import type { Item, Run } from '../../src/progress/api.js'
import { runBlock } from '../../src/progress/run-block.js'
import type { Snapshot } from '../../src/progress/snapshot.js'
import { paint } from '../../src/terminal/paint.js'
import { wrap } from '../../src/terminal/wrap.js'

export const REQUESTED = new Date('2026-05-18T09:00:00Z')
export const NOW = new Date('2026-05-18T09:00:03Z')
export const NO_ROWS = { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, provisional: 0 }
export const HUNDRED = { ...NO_ROWS, fetched: 100, inserted: 100 }

export function item(fields: Partial<Item>): Item {
  return {
    id: 1,
    symbol: 'IBM',
    state: 'pending',
    outcome: null,
    history_limited: false,
    waiting_for: null,
    next_attempt_at: null,
    rows: NO_ROWS,
    error: null,
    ...fields,
  }
}

/** A snapshot of a run, whose counts are those of its items unless `fields` has others. */
export function snapshot(items: Item[], fields: Partial<Run> = {}): Snapshot {
  const count = (state: Item['state']) => items.filter((one) => one.state === state).length
  const run: Run = {
    id: 'r1',
    status: 'running',
    requested_at: REQUESTED,
    finished_at: null,
    counts: {
      total: items.length,
      pending: count('pending'),
      running: count('running'),
      succeeded: count('succeeded'),
      failed: count('failed'),
      cancelled: count('cancelled'),
    },
    rows: NO_ROWS,
    estimated_completion_at: null,
    waiting: null,
    warnings: [],
    ...fields,
  }
  return { run, begunAt: run.requested_at, items }
}

export function block(of: Snapshot, { width = 400, now = NOW } = {}): string[] {
  return runBlock(of, now, 0)
    .flatMap((line) => wrap(line, width, { cutWords: true }))
    .map((line) => paint(line, { colours: false }))
}

export const failure = { detail: 'Not known.', advice: 'Check the symbol.' }

export const SPENT = 'The requests of this day are spent.'
/** Noon in the time zone of this test. */
export const NOON = new Date(2026, 4, 18, 12, 0)
export const onThe = (day: number, hour: number, minute: number) => new Date(2026, 4, day, hour, minute)
export const waitsFor = (kind: 'quota' | 'key', reason: string, until: Date) =>
  ({
    status: kind === 'quota' ? 'waiting_quota' : 'blocked',
    waiting: { for: kind, reason, until },
    requested_at: NOON,
  }) as const
export const partly = { total: 500, pending: 475, running: 0, succeeded: 25, failed: 0, cancelled: 0 }
