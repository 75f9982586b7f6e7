import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLogFile } from '../../src/programs/log-file.js'
import { isLogged, isShown, parseLogLine, readableLine } from '../../src/programs/log-line.js'

const line = (fields: object) => parseLogLine(JSON.stringify({ level: 'warn', msg: 'hello', ...fields }))

test('The terminal shows warnings and errors, and the rest only with LOG_LEVEL=debug', () => {
  expect(isShown(line({ level: 'info' }), 'info')).toBe(false)
  expect(isShown(line({ level: 'warn' }), 'info')).toBe(true)
  expect(isShown(line({ level: 'warn' }), 'error')).toBe(false)
  expect(isShown(line({ level: 'debug' }), 'debug')).toBe(true)
  expect(isShown(line({ level: 'info', msg: 'request' }), 'debug')).toBe(false)
})

test('What became of an item is left to the progress, but for a long pause of everything', () => {
  expect(isShown(line({ level: 'error', item: 1 }), 'info')).toBe(false)
  expect(isShown(line({ item: 1, waitMs: 2_500 }), 'info')).toBe(false)
  expect(isShown(line({ item: 1, waitMs: 3_600_000 }), 'info')).toBe(true)
})

test('A log file takes what LOG_LEVEL lets pass, and everything that is no line of a logger', () => {
  expect(isLogged(line({ level: 'info' }), 'warn')).toBe(false)
  expect(isLogged(line({ level: 'warn' }), 'warn')).toBe(true)
  expect(isLogged(parseLogLine('Error: at start'), 'fatal')).toBe(true)
})

test('A line is readable, says what to do, and holds no control characters', () => {
  const shown = line({ msg: 'pause', symbol: 'IBM', detail: 'too\u001B[31m many', advice: 'Wait.' })
  expect(shown && readableLine('worker', shown)).toBe('worker: warning: pause (IBM): too [31m many. Wait.')
})

test('A log file does not grow without end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-log-'))
  const file = openLogFile(join(folder, 'logs', 'a.log'), 100)
  for (let index = 0; index < 100; index += 1) file.write(`line ${index}`)
  file.close()
  const [kept, before] = await Promise.all([readFile(file.path, 'utf8'), readFile(`${file.path}.1`, 'utf8')])
  expect(`${before}${kept}`.length).toBeLessThan(250)
  expect(`${before}${kept}`.endsWith('line 98\nline 99\n')).toBe(true)
  await rm(folder, { recursive: true })
})
