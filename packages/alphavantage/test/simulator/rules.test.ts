import { describe, expect, it } from 'vitest'
import { parseRules, type Rule, ruleBook } from '../../src/simulator/rules.js'

const query = {
  function: 'TIME_SERIES_DAILY',
  symbol: 'IBM',
  outputsize: 'compact',
  datatype: 'json',
  apikey: 'K',
} as const

function book(...rules: Rule[]) {
  const rulesBook = ruleBook()
  for (const rule of rules) rulesBook.add(rule)
  return (changes: Partial<{ symbol: string; outputsize: 'full' }> = {}) =>
    rulesBook.answerTo({ ...query, ...changes })?.kind
}

describe('a rule', () => {
  it('answers for ever when neither nth nor times is given', () => {
    const ask = book({ answer: { kind: 'html' } })
    expect([ask(), ask(), ask({ symbol: 'AAPL' })]).toEqual(['html', 'html', 'html'])
  })

  it('answers `times` requests from the nth on that matches, counted by itself', () => {
    const ask = book({ symbol: 'ibm', nth: 2, times: 2, answer: { kind: 'html' } })
    expect(ask({ symbol: 'AAPL' })).toBeUndefined()
    expect([ask(), ask(), ask(), ask()]).toEqual([undefined, 'html', 'html', undefined])
  })

  it('does not count a request that an earlier rule answered, so rules with times follow each other', () => {
    const ask = book({ times: 1, answer: { kind: 'html' } }, { times: 1, answer: { kind: 'reset' } })
    expect([ask(), ask(), ask()]).toEqual(['html', 'reset', undefined])
  })

  it('can ask for an outputsize', () => {
    const ask = book({ outputsize: 'full', answer: { kind: 'html' } })
    expect([ask(), ask({ outputsize: 'full' })]).toEqual([undefined, 'html'])
  })

  it.each<[string, unknown]>([
    ['an unknown kind', [{ answer: { kind: 'explode' } }]],
    ['an unknown field', [{ answer: { kind: 'html' }, symbols: ['IBM'] }]],
    ['an unknown refusal', [{ answer: { kind: 'refusal', refusal: 'nope' } }]],
    ['no list', { answer: { kind: 'html' } }],
    ['nth of 0', [{ nth: 0, answer: { kind: 'html' } }]],
  ])('with %s is refused', (_what, value) => {
    expect(() => parseRules(value)).toThrow(/rules do not parse/)
  })

  it('with an unknown variant is refused by a message that names the known ones', () => {
    expect(() =>
      parseRules([{ answer: { kind: 'refusal', refusal: 'burst_limit', variant: '1999' } }]),
    ).toThrow(/2025, 2026/)
  })
})
