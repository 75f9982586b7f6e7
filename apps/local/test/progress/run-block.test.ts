import { expect, test } from 'vitest'
import { changes } from '../../src/progress/run-changes.js'
import { runBlock } from '../../src/progress/run-block.js'
import { paint } from '../../src/terminal/paint.js'
import { REQUESTED, NOW, NO_ROWS, HUNDRED, item, snapshot, block, failure } from './snapshots.js'

const running = snapshot(
  [
    item({ id: 1, state: 'succeeded', rows: HUNDRED }),
    item({ id: 2, symbol: 'AAPL', state: 'running' }),
    item({ id: 3, symbol: 'MSFT' }),
  ],
  { rows: HUNDRED },
)

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

test('What the provider wrote cannot move the cursor', () => {
  const error = { detail: 'bad\u001B[2J\nnews', advice: 'Wait.' }
  expect(block(snapshot([item({ state: 'failed', error })])).join('')).not.toContain('\u001B')
})

test('A status and an outcome that this version does not know are shown as far as they go', () => {
  const newer = item({ state: 'succeeded', outcome: 'teleported', rows: HUNDRED })
  const of = snapshot([newer], { status: 'astonished', finished_at: NOW, rows: HUNDRED })
  expect(block(of)).toEqual([
    '! 1 symbol came in within 3 s: 100 rows (100 new)',
    '  ✓ IBM  100 rows (100 new)',
  ])
})

test('A state that this version does not know is shown by its name', () => {
  expect(block(snapshot([item({ state: 'dreaming' })]))[1]).toBe('  ? IBM  dreaming')
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

test('a run that lacks a newest row says so at its end, in a block and in lines', () => {
  const detail = 'The newest row of IBM was rejected (/api/rejected_rows says why), so it is not up to date.'
  const items = [item({ state: 'succeeded', rows: HUNDRED })]
  const fields = { status: 'partial', warnings: [{ detail }], rows: HUNDRED }
  expect(block(snapshot(items, fields)).join('\n')).not.toContain(detail)
  const ended = snapshot(items, { ...fields, finished_at: NOW })
  expect(block(ended)[1]).toBe(`  ${detail}`)
  expect(changes(snapshot(items), ended, NOW).at(-1)).toBe(detail)
})
