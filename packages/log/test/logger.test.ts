import { connect } from 'node:net'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createLogger, logFailure, logFormat } from '../src/logger.js'
import type { LogFormat } from '../src/logger.js'
import { createErrorReporter } from '../src/repeated-errors.js'

function writer(format: LogFormat = 'json') {
  const lines: string[] = []
  const output = { write: (line: string) => lines.push(line) }
  return { lines, logger: createLogger({ service: 'worker', level: 'info', output, format }) }
}

/** Makes the error that drizzle throws when a driver fails. */
function statementFailed(cause: Error): Error {
  return Object.assign(new Error('Failed query: insert into t values ($1)\nparams: CANARY', { cause }), {
    query: 'insert into t values ($1)',
    params: ['CANARY'],
  })
}

function fieldOf(line: string, name: string): unknown {
  const parsed: unknown = JSON.parse(line)
  return typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, name) : undefined
}

async function refused(): Promise<unknown> {
  return new Promise((resolve) => connect(1, '127.0.0.1').once('error', resolve))
}

describe('a line of a log', () => {
  test('has the level as a word, the time in UTC, the service, ids and the message', () => {
    const { lines, logger } = writer()
    logger.warn({ run: 'r', item: 1, symbol: 'IBM' }, 'waits')
    logger.debug('is not written')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      service: 'worker',
      run: 'r',
      item: 1,
      symbol: 'IBM',
      msg: 'waits',
    })
  })

  test('says of what the world does a message and a code, and of a defect the stack', async () => {
    const { lines, logger } = writer()
    const terminated = Object.assign(new Error('terminating connection'), { code: '57P01' })
    const [network, wrapped, defect, statement] = [
      await refused(),
      statementFailed(terminated),
      new TypeError('x is undefined'),
      statementFailed(Object.assign(new Error('relation "t" does not exist'), { code: '42P01' })),
    ]
    for (const err of [network, wrapped, defect, statement]) logger.error({ err }, 'failed')
    const errors = lines.map((line) => fieldOf(line, 'err'))
    expect(errors).toEqual([
      { type: 'Error', message: 'connect ECONNREFUSED 127.0.0.1:1', code: 'ECONNREFUSED' },
      { type: 'Error', message: 'terminating connection', code: '57P01' },
      {
        type: 'TypeError',
        message: 'x is undefined',
        stack: expect.stringContaining('logger.test.ts') as unknown,
      },
      {
        type: 'Error',
        message: 'relation "t" does not exist',
        code: '42P01',
        stack: expect.stringContaining('logger.test.ts') as unknown,
      },
    ])
    expect(lines.join('')).not.toContain('CANARY')
    expect(lines[0]?.length).toBeLessThan(250)
  })

  test.each(['could not renew lock for job item-12', 'Missing lock for job item-12. moveToFinished'])(
    'says no stack of a job that a worker lost: %s',
    (message) => {
      const { lines, logger } = writer()
      logger.warn({ err: new Error(message) }, 'the queue reports an error')
      expect(fieldOf(lines[0] ?? '', 'err')).toEqual({ type: 'Error', message })
    },
  )

  test('says the cause of an error, and of several the first', () => {
    const { lines, logger } = writer()
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:9'), { code: 'ECONNREFUSED' })
    logger.warn({ err: new TypeError('fetch failed', { cause }) }, 'failed')
    logger.warn({ err: new AggregateError([cause, cause]) }, 'failed')
    expect(lines[0]).toContain(
      '"message":"fetch failed: connect ECONNREFUSED 127.0.0.1:9","code":"ECONNREFUSED"}',
    )
    expect(lines[1]).toContain('"message":"connect ECONNREFUSED 127.0.0.1:9"')
  })

  test('is one line for a person too, whatever others wrote into it', () => {
    const { lines, logger } = writer('pretty')
    logger.warn({ symbol: 'IBM', detail: 'two\nlines \u001B[2J', err: new Error('broken\n here') }, 'waits')
    expect(lines).toHaveLength(1)
    const [text = ''] = lines
    // Colours are the only control characters that the line may have.
    const plain = stripVTControlCharacters(text)
    expect(plain).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}worker waits symbol=IBM detail=two lines \[2J broken here at .*logger\.test\.ts.*\n$/,
    )
  })

  test('is a sentence a line when a program ends by what a person can mend', () => {
    const { lines, logger } = writer()
    logFailure(logger, new Error('unused'), 'A is wrong.\nB is wrong.')
    logFailure(logger, new Error('a defect'), undefined)
    expect(lines.map((line) => fieldOf(line, 'msg'))).toEqual([
      'A is wrong.',
      'B is wrong.',
      'ended by a defect',
    ])
    expect(lines[2]).toContain('"stack"')
  })

  test('is JSON for programs and readable on a terminal, unless LOG_FORMAT says otherwise', () => {
    expect([logFormat(undefined, true), logFormat('', false), logFormat('loud', false)]).toEqual([
      'pretty',
      'json',
      'json',
    ])
    expect([logFormat('json', true), logFormat('pretty', false)]).toEqual(['json', 'pretty'])
  })
})

test('an error that repeats is logged once a minute, with how often it came; others beside it are not held back', () => {
  const logged: string[] = []
  let now = 0
  const report = createErrorReporter(
    ({ err, repeated = 0 }) => logged.push(`${err.message} ${repeated}`),
    () => now,
  )
  for (let attempt = 0; attempt < 100; attempt += 1) {
    now += 500
    report(new Error(`connect ECONNREFUSED 127.0.0.1:${6_000 + attempt}`))
    report(new Error('Connection is closed.'))
  }
  now += 20_000
  report(new Error('connect ECONNREFUSED 127.0.0.1:1'))
  expect(logged).toEqual([
    'connect ECONNREFUSED 127.0.0.1:6000 0',
    'Connection is closed. 0',
    'connect ECONNREFUSED 127.0.0.1:1 99',
  ])
})
