import { expect, test } from 'vitest'
import { changes } from '../../src/progress/run-changes.js'
import { NOW, item, snapshot, block, SPENT, NOON, onThe, waitsFor, partly } from './snapshots.js'

const REFUSED = 'Alpha Vantage does not accept the API key.'
const SET_ANOTHER =
  'Another one in the key file is taken at once; for one in ALPHAVANTAGE_API_KEY start again.'

test('A wait says for what, and until when', () => {
  const waiting = item({
    waiting_for: 'quota',
    next_attempt_at: new Date(NOW.getTime() + 125_000),
  })
  expect(block(snapshot([waiting], { status: 'waiting_quota' })).at(-1)).toBe(
    "  · IBM  waiting for room in the provider's limit (next attempt in 2 min 5 s)",
  )
})

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
