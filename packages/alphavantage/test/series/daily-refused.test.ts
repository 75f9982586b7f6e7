import { describe, expect, it } from 'vitest'
import { parseDailyCsv, parseDailyJson } from '../../src/series/daily-series.js'
import { AlphaVantageError } from '../../src/refusals/refusal.js'
import { dailyBody, META_DATA, NOW, record } from './bodies.js'
import { failureOf } from '../client/http-server.js'

function refusalOf(body: string, parse = parseDailyJson): string {
  try {
    parse(body, 'IBM', NOW)
  } catch (error) {
    if (error instanceof AlphaVantageError) return error.class
    throw error
  }
  return 'none'
}

const SOUND = dailyBody({ '2026-05-15': record(), '2026-05-14': record() })

describe('a body is refused as a whole', () => {
  it('unless it is sound', () => expect(refusalOf(SOUND)).toBe('none'))

  it.each([
    ['empty', ''],
    ['HTML', '<!doctype html><title>503</title>'],
    ['cut', SOUND.slice(0, -40)],
    ['cut between two records', `${SOUND.slice(0, SOUND.indexOf('},', 300))}}`],
    ['followed by another', SOUND + SOUND],
    ['an array', '[]'],
    ['a text', '"Thank you"'],
    ['null', 'null'],
    ['a series that is an array', '{"Meta Data": {"2. Symbol": "IBM"}, "Time Series (Daily)": []}'],
    ['without Meta Data', JSON.stringify({ 'Time Series (Daily)': { '2026-05-15': record() } })],
    ['without a symbol', dailyBody({ '2026-05-15': record() }, { ...META_DATA, '2. Symbol': '' })],
    ['written with a blank that JSON does not know', SOUND.replaceAll('    ', '\u00A0')],
  ])('as bad_payload when it is %s', (_what, body) => expect(refusalOf(body)).toBe('bad_payload'))

  it("as wrong_symbol when it is another symbol's, which is named, cleaned and cut", async () => {
    for (const [given, named] of [
      ['META', 'META'],
      [' META\n\u0000', 'META??'],
      ['MÉTA', 'M?TA'],
      ['X'.repeat(100), `${'X'.repeat(32)}…`],
    ] as const) {
      const body = dailyBody({ '2026-05-15': record() }, { ...META_DATA, '2. Symbol': given })
      const error = await failureOf(Promise.resolve().then(() => parseDailyJson(body, 'FB', NOW)))
      expect(error).toMatchObject({
        class: 'wrong_symbol',
        disposition: { action: 'retry', maxAttempts: 2 },
      })
      expect(error.message).toContain(`FB: the answer holds the data of ${named}.`)
    }
  })

  it('as bad_payload when its series comes twice', () => {
    const twice = SOUND.replace('"Time Series', `"Time Series (Daily)": {"2026-05-15": {}}, "Time Series`)
    expect(refusalOf(twice)).toBe('bad_payload')
  })

  it('as bad_payload when its symbol comes twice', () => {
    expect(refusalOf(SOUND.replace('"2. Symbol"', '"2. Symbol": "AAPL", "2. Symbol"'))).toBe('bad_payload')
  })

  it('as bad_payload when it has more records than there can be days', () => {
    const many = Object.fromEntries(Array.from({ length: 100_001 }, (_value, index) => [`x${index}`, '']))
    expect(refusalOf(dailyBody(many))).toBe('bad_payload')
  })

  it.each([
    ['{}', '{}'],
    ['an empty series', dailyBody({})],
    ['an empty series without Meta Data', '{"Time Series (Daily)": {}}'],
    ['no series', JSON.stringify({ 'Meta Data': META_DATA })],
    ['a series of null', JSON.stringify({ 'Meta Data': META_DATA, 'Time Series (Daily)': null })],
    ['another empty answer', '{"Global Quote": {}}'],
  ])('as no_data when it is %s', (_what, body) => expect(refusalOf(body)).toBe('no_data'))

  it.each([
    ['before', '{"Note": "25 requests per day", "Meta Data"'],
    ['between', '{"Meta Data": {}, "Note": "25 requests per day", "x"'],
  ])('as what it refuses, though a series comes with it (%s)', (_where, start) => {
    expect(refusalOf(SOUND.replace('{\n    "Meta Data"', start))).toBe('daily_limit')
  })

  it('as what it refuses behind a sound series', () => {
    expect(refusalOf(SOUND.replace(/\}$/, ', "Information": "Burst pattern"}'))).toBe('burst_limit')
  })

  it('with its own words as evidence, and not in the message', async () => {
    const body = '{"Information": "We are on holiday."}'
    const error = await failureOf(Promise.resolve().then(() => parseDailyJson(body, 'IBM', NOW)))
    expect(error).toMatchObject({ class: 'unrecognized', evidence: body })
    expect(error.message).not.toContain('holiday')
  })
})

describe('a CSV body is refused', () => {
  const HEADER = 'timestamp,open,high,low,close,volume\r\n'
  const LINE = '2026-05-15,100.0,102.5,99.0,101.25,6154450\r\n'

  it('unless it is sound', () => expect(refusalOf(HEADER + LINE, parseDailyCsv)).toBe('none'))

  it.each([
    ['no_data', 'without a row', HEADER],
    ['no_data', 'as {}', '{}'],
    ['daily_limit', 'as JSON that refuses', '{"Note": "25 requests per day"}'],
    ['bad_payload', 'when it is empty', ''],
    ['bad_payload', 'when it is HTML', '<!doctype html>\n'],
    ['bad_payload', 'when it is another CSV', 'symbol,name\r\nIBM,IBM\r\n'],
    ['bad_payload', 'when it is cut', HEADER + LINE.trimEnd()],
    ['bad_payload', 'when a column comes twice', HEADER.replace('volume', 'volume,close') + LINE],
  ])('as %s %s', (expected, _what, body) => expect(refusalOf(body, parseDailyCsv)).toBe(expected))
})
