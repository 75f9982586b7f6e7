import { expect, test } from 'vitest'
import type { Item, Run } from '../src/progress/api.js'
import { paint } from '../src/terminal/paint.js'
import { changes, duration, runBlock, type Snapshot } from '../src/progress/progress.js'
import { wrap } from '../src/terminal/wrap.js'

const REQUESTED = new Date('2026-05-18T09:00:00Z')
const NOW = new Date('2026-05-18T09:00:03Z')
const NO_ROWS = { fetched: 0, inserted: 0, updated: 0, unchanged: 0, rejected: 0, provisional: 0 }
const HUNDRED = { ...NO_ROWS, fetched: 100, inserted: 100 }

function item(fields: Partial<Item>): Item {
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

/** A run whose counts are those of its items, unless given. */
function snapshot(items: Item[], fields: Partial<Run> = {}): Snapshot {
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

function block(of: Snapshot, { width = 400, now = NOW } = {}): string[] {
  return runBlock(of, now, 0)
    .flatMap((line) => wrap(line, width, { cutWords: true }))
    .map((line) => paint(line, { colours: false }))
}

const running = snapshot(
  [
    item({ id: 1, state: 'succeeded', rows: HUNDRED }),
    item({ id: 2, symbol: 'AAPL', state: 'running' }),
    item({ id: 3, symbol: 'MSFT' }),
  ],
  { rows: HUNDRED },
)
const failure = { detail: 'Not known.', advice: 'Check the symbol.' }

test('A small run has a line for each symbol under its bar', () => {
  expect(block(running)).toEqual([
    '⠋ ████████░░░░░░░░░░░░░░░░ 1 of 3 symbols · 100 rows · 3 s',
    '  ✓ IBM   100 rows (100 new)',
    '  ⠋ AAPL  fetching',
    '  · MSFT  waiting',
  ])
})

test('A run of an earlier start counts the time since this one, while it goes on and when it is finished', () => {
  const asked = new Date(NOW.getTime() - 86_400_000)
  const long = { ...snapshot([item({ state: 'running' })], { requested_at: asked }), begunAt: REQUESTED }
  expect(block(long)[0]).toMatch(/ 0 of 1 symbol · 3 s$/)
  const items = [item({ state: 'succeeded', rows: HUNDRED })]
  const over = snapshot(items, { requested_at: asked, finished_at: NOW, rows: HUNDRED, status: 'succeeded' })
  expect(block({ ...over, begunAt: REQUESTED })[0]).toBe('✓ 1 symbol came in within 3 s: 100 rows (100 new)')
})

test('Without colours there is no escape sequence, with them each ends', () => {
  const [head = []] = runBlock(running, NOW, 0)
  expect(paint(head, { colours: false })).not.toContain('\u001B')
  const coloured = paint(head, { colours: true })
  const ends = coloured.split('\u001B[0m').length - 1
  expect(ends).toBeGreaterThan(0)
  expect(coloured.split('\u001B[')).toHaveLength(2 * ends + 1)
})

test('A failed symbol says why and what to do', () => {
  const error = { ...failure, detail: 'NOSUCH: not known.' }
  const failed = snapshot([item({ symbol: 'NOSUCH', state: 'failed', error })], {
    status: 'failed',
    finished_at: NOW,
  })
  expect(block(failed)).toEqual([
    '✗ 0 of 1 symbol came in within 3 s, 1 failed; 0 rows',
    '  ✗ NOSUCH  failed: not known. Check the symbol.',
  ])
})

test('What is tried again says when, before why', () => {
  const again = item({
    error: { detail: 'IBM: HTTP 503', advice: 'Wait.' },
    next_attempt_at: new Date(NOW.getTime() + 51_000),
  })
  expect(block(snapshot([again])).at(-1)).toBe('  · IBM  will be tried again in 51 s: HTTP 503. Wait.')
  expect(changes(undefined, snapshot([again]), NOW).at(-1)).toBe(
    'IBM: will be tried again in 51 s: HTTP 503. Wait.',
  )
  const later = snapshot([{ ...again, next_attempt_at: new Date(NOW.getTime() + 50_000) }])
  expect(changes(snapshot([again]), later, NOW)).toEqual([])
})

test('What the provider wrote cannot move the cursor', () => {
  const error = { detail: 'bad\u001B[2J\nnews', advice: 'Wait.' }
  expect(block(snapshot([item({ state: 'failed', error })])).join('')).not.toContain('\u001B')
})

test('A wait says for what, and until when', () => {
  const waiting = item({
    waiting_for: 'quota',
    next_attempt_at: new Date(NOW.getTime() + 125_000),
  })
  expect(block(snapshot([waiting], { status: 'waiting_quota' })).at(-1)).toBe(
    "  · IBM  waiting for room in the provider's limit (next attempt in 2 min 5 s)",
  )
})

const SPENT = 'The requests of this day are spent.'
/** On the wall of whoever runs this test. */
const NOON = new Date(2026, 4, 18, 12, 0)
const onThe = (day: number, hour: number, minute: number) => new Date(2026, 4, day, hour, minute)
const waitsFor = (kind: 'quota' | 'key', reason: string, until: Date) =>
  ({
    status: kind === 'quota' ? 'waiting_quota' : 'blocked',
    waiting: { for: kind, reason, until },
    requested_at: NOON,
  }) as const
const partly = { total: 500, pending: 475, running: 0, succeeded: 25, failed: 0, cancelled: 0 }

test('A long run says when it will be done, and why and until when it waits', () => {
  const fields = { ...waitsFor('quota', SPENT, onThe(19, 9, 3)), counts: partly }
  const long = snapshot([], { ...fields, estimated_completion_at: onThe(37, 9, 3) })
  expect(block(long, { width: 79, now: NOON })).toEqual([
    '⠋ █░░░░░░░░░░░░░░░░░░░░░░░ 25 of 500 symbols · done about 2026-06-06 · 0 s',
    '  waits until 2026-05-19 09:03: The requests of this day are spent.',
  ])
})

test.each([
  { until: onThe(18, 14, 5), text: 'waits until 14:05' },
  { until: onThe(19, 0, 5), text: 'waits until 2026-05-19 00:05' },
])('A wait that ends today is told by the time alone: $text', ({ until, text }) => {
  const lines = changes(undefined, snapshot([], { ...waitsFor('quota', SPENT, until), counts: partly }), NOON)
  expect(lines.at(-1)).toBe(`${text}: ${SPENT}`)
})

const REFUSED = 'Alpha Vantage does not accept the API key.'
const SET_ANOTHER =
  'Another one in the key file is taken at once; for one in ALPHAVANTAGE_API_KEY start again.'

test('A run whose key is refused says when that one is tried again, and nothing counts the seconds of a poll', () => {
  const poll = new Date(NOON.getTime() + 5_000)
  const waits = item({ waiting_for: 'key', next_attempt_at: poll })
  expect(block(snapshot([waits], waitsFor('key', REFUSED, onThe(18, 13, 0))), { now: NOON })).toEqual([
    '⠋ ░░░░░░░░░░░░░░░░░░░░░░░░ 0 of 1 symbol · 0 s',
    `  waits for a key that the provider takes, tries this one again at 13:00: ${REFUSED} ${SET_ANOTHER}`,
    '  · IBM  waiting for a key that the provider takes',
  ])
  const soon = block(snapshot([waits], waitsFor('key', REFUSED, poll)), { now: NOON })
  expect(soon[1]).toBe(`  waits for a key that the provider takes: ${REFUSED} ${SET_ANOTHER}`)
})

test.each([
  {
    what: 'provider',
    until: onThe(18, 12, 5),
    text: 'waits for the provider, asks it again at 12:05: Why. It goes on by itself.',
  },
  { what: 'provider', until: null, text: 'waits for the provider: Why. It goes on by itself.' },
  {
    what: 'storage',
    until: onThe(18, 12, 5),
    text: 'waits for PostgreSQL to take rows, tries it again at 12:05: Why. It goes on by itself.',
  },
  { what: 'worker', until: null, text: 'waits for a worker: Why. It goes on by itself once one works.' },
  {
    what: 'queue',
    until: null,
    text: 'waits for the queue to give and take jobs: Why. It goes on by itself.',
  },
  { what: 'quota', until: null, text: "waits for room in the provider's limit: Why." },
  { what: 'moonlight', until: onThe(18, 12, 5), text: 'waits until 12:05 (moonlight): Why.' },
  { what: 'moonlight', until: null, text: 'waits (moonlight): Why.' },
])('A run that waits for $what until $until says so, with why', ({ what, until, text }) => {
  const status = what === 'quota' ? 'waiting_quota' : 'running'
  const waits = snapshot([], {
    status,
    waiting: { for: what, reason: 'Why', until },
    counts: partly,
    requested_at: NOON,
  })
  expect(block(waits, { now: NOON })[1]).toBe(`  ${text}`)
  expect(changes(undefined, waits, NOON).at(-1)).toBe(text)
})

test('A status and an outcome that this version does not know are shown as far as they go', () => {
  const newer = item({ state: 'succeeded', outcome: 'teleported', rows: HUNDRED })
  const of = snapshot([newer], { status: 'astonished', finished_at: NOW, rows: HUNDRED })
  expect(block(of)).toEqual([
    '! 1 symbol came in within 3 s: 100 rows (100 new)',
    '  ✓ IBM  100 rows (100 new)',
  ])
})

test('A wait of some seconds is no news: that is how a limit is kept', () => {
  const until = new Date(NOON.getTime() + 1_400)
  const of = (wait: boolean) =>
    snapshot([item({ waiting_for: wait ? 'quota' : null, next_attempt_at: wait ? until : null })], {
      ...(wait ? waitsFor('quota', 'The requests of this second are spent.', until) : {}),
    })
  expect(changes(of(false), of(true), NOON)).toEqual([])
  expect(block(of(true), { now: NOON })[1]).toBe('  · IBM  waiting (next attempt in 2 s)')
})

test('Without a terminal a wait is told once, and a long run when it begins', () => {
  const done = onThe(25, 12, 0)
  const begun = snapshot([], {
    counts: { ...partly, pending: 500, succeeded: 0 },
    estimated_completion_at: done,
  })
  expect(changes(undefined, begun, NOON)[0]).toBe('run r1 asks for 500 symbols · done about 2026-05-25')
  const waiting = snapshot([], { ...waitsFor('quota', SPENT, onThe(19, 9, 3)), counts: partly })
  expect(changes(begun, waiting, NOON)).toEqual([`waits until 2026-05-19 09:03: ${SPENT}`])
  const later = snapshot([], { ...waitsFor('quota', SPENT, onThe(19, 9, 4)), counts: partly })
  expect(changes(waiting, later, NOON)).toEqual([])
  expect(changes(later, snapshot([], { counts: partly }), NOON)).toEqual([])
})

test('Without a terminal a look at the key, which may still be refused, is no news', () => {
  const wait = waitsFor('key', REFUSED, NOON)
  const waiting = snapshot([item({ id: 1, waiting_for: 'key' }), item({ id: 2, waiting_for: 'key' })], wait)
  const looking = snapshot([item({ id: 1, state: 'running' }), item({ id: 2, waiting_for: 'key' })], wait)
  expect(changes(waiting, looking, NOON)).toEqual([])
  expect(changes(looking, waiting, NOON)).toEqual([])
})

test.each([
  { done: onThe(18, 23, 59), text: 'done about 23:59' },
  { done: onThe(19, 9, 3), text: 'done about 2026-05-19 09:03' },
  { done: onThe(19, 12, 1), text: 'done about 2026-05-19' },
])('A forecast is as exact as it can be: $text', ({ done, text }) => {
  const begun = snapshot([item({})], { requested_at: NOON, estimated_completion_at: done })
  expect(changes(undefined, begun, NOON)).toEqual([`run r1 asks for 1 symbol: IBM · ${text}`])
})

test('What needed no request says so', () => {
  const done = [
    item({ id: 1, state: 'succeeded', outcome: 'up_to_date' }),
    item({ id: 2, symbol: 'AAPL', state: 'succeeded', outcome: 'coalesced' }),
  ]
  expect(block(snapshot(done, { status: 'succeeded', finished_at: NOW }))).toEqual([
    '✓ no request was needed for 2 symbols: nothing new, or another run brought it',
    '  ✓ IBM   up to date: no request was needed',
    '  ✓ AAPL  came in with another run: no request was needed',
  ])
})

test('A history that is limited is no silent success', () => {
  const limited = item({ state: 'succeeded', outcome: 'fetched', history_limited: true, rows: HUNDRED })
  expect(block(snapshot([limited]))[1]).toBe('  ✓ IBM  100 rows (100 new), only the newest are served')
})

test('A large run is a bar with counts and its newest failures', () => {
  const failed = [1, 2, 3, 4, 5, 6].map((id) =>
    item({ id, symbol: `X${id}`, state: 'failed', error: failure }),
  )
  const counts = { total: 5_000, pending: 2_490, running: 4, succeeded: 2_500, failed: 6, cancelled: 0 }
  const lines = block(snapshot(failed, { counts, rows: { ...NO_ROWS, fetched: 250_000 } }))
  expect(lines[0]).toBe('⠋ ████████████░░░░░░░░░░░░ 2,506 of 5,000 symbols · 6 failed · 250,000 rows · 3 s')
  expect(lines.slice(1).map((line) => line.trim().slice(0, 16))).toEqual([
    '✗ X2  failed: No',
    '✗ X3  failed: No',
    '✗ X4  failed: No',
    '✗ X5  failed: No',
    '✗ X6  failed: No',
    'and 1 more: see ',
  ])
})

test('Without a terminal there is a line for each change, and none when nothing changed', () => {
  const begun = snapshot([item({ id: 1 }), item({ id: 2, symbol: 'AAPL' })], { status: 'queued' })
  expect(changes(undefined, begun, NOW)).toEqual(['run r1 asks for 2 symbols: IBM, AAPL'])
  expect(changes(begun, begun, NOW)).toEqual([])
  const fetching = snapshot([item({ id: 1, state: 'running' }), item({ id: 2, symbol: 'AAPL' })])
  expect(changes(begun, fetching, NOW)).toEqual(['IBM: fetching'])
  const both = [1, 2].map((id) =>
    item({ id, symbol: id === 1 ? 'IBM' : 'AAPL', state: 'succeeded', rows: HUNDRED }),
  )
  const rows = { ...NO_ROWS, fetched: 200, inserted: 150, updated: 1, unchanged: 49 }
  expect(changes(fetching, snapshot(both, { status: 'succeeded', finished_at: NOW, rows }), NOW)).toEqual([
    'IBM: 100 rows (100 new)',
    'AAPL: 100 rows (100 new)',
    '2 symbols came in within 3 s: 200 rows (150 new, 1 changed, 49 as before)',
  ])
})

test('Without a terminal a large run has a line for each tenth', () => {
  const at = (succeeded: number) =>
    snapshot([], {
      counts: { total: 1_000, pending: 1_000 - succeeded, running: 0, succeeded, failed: 0, cancelled: 0 },
    })
  const lines: string[] = []
  for (let done = 1; done < 1_000; done += 1) lines.push(...changes(at(done - 1), at(done), NOW))
  expect(lines).toHaveLength(9)
  expect(lines[0]).toBe('100 of 1,000 symbols · 3 s')
})

test.each([
  [0, '0 s'],
  [3_001, '4 s'],
  [60_000, '1 min 0 s'],
  [3_600_000 * 3 + 60_000 * 20, '3 h 20 min'],
  [3_600_000 * 52, '2 days 4 h'],
])('%d ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text)
})

test('a run that lacks a newest row says so at its end, in a block and in lines', () => {
  const detail = 'The newest row of IBM was rejected (/api/rejected_rows says why), so it is not up to date.'
  const items = [item({ state: 'succeeded', rows: HUNDRED })]
  const fields = { status: 'partial', warnings: [{ detail }], rows: HUNDRED }
  expect(block(snapshot(items, fields)).join('\n')).not.toContain(detail)
  const ended = snapshot(items, { ...fields, finished_at: NOW })
  expect(block(ended)[1]).toBe(`  ${detail}`)
  expect(changes(snapshot(items), ended, NOW).at(-1)).toBe(detail)
})
