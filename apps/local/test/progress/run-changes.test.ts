import { expect, test } from 'vitest'
import { changes } from '../../src/progress/run-changes.js'
import { NOW, NO_ROWS, HUNDRED, item, snapshot, block, NOON, onThe } from './snapshots.js'

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

test.each([
  { done: onThe(18, 23, 59), text: 'done about 23:59' },
  { done: onThe(19, 9, 3), text: 'done about 2026-05-19 09:03' },
  { done: onThe(19, 12, 1), text: 'done about 2026-05-19' },
])('A forecast is as exact as it can be: $text', ({ done, text }) => {
  const begun = snapshot([item({})], { requested_at: NOON, estimated_completion_at: done })
  expect(changes(undefined, begun, NOON)).toEqual([`run r1 asks for 1 symbol: IBM · ${text}`])
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
