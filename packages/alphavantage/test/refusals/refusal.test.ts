import { describe, expect, it } from 'vitest'
import { adviceOn } from '@stockpile/domain/refusal'
import { DISPOSITIONS } from '../../src/refusals/dispositions.js'
import type { RefusalClass } from '../../src/refusals/dispositions.js'
import { AlphaVantageError } from '../../src/refusals/refusal.js'
import { refusalRows } from '../../src/refusals/refusal-rows.js'
import { classifyRefusal, requestsPerDayIn } from '../../src/refusals/wording.js'

const THANKS = 'Thank you for using Alpha Vantage!'
const SUBSCRIBE = 'You may subscribe to any of the premium plans at https://www.alphavantage.co/premium/'

/** Texts transcribed from public reports of 2017 to 2026, by class and key. */
const REPORTED: [RefusalClass, string, string][] = [
  [
    'invalid_key',
    'Error Message',
    'the parameter apikey is invalid or missing. Please claim your free API key on (https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds.',
  ],
  [
    'invalid_symbol',
    'Error Message',
    'Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for TIME_SERIES_DAILY.',
  ],
  ['unknown_function', 'Error Message', 'This API function () does not exist.'],
  ['unknown_function', 'Error Message', 'This API function (TIME_SERIES_HOURLY) does not exist.'],
  [
    'provider_error',
    'Error Message',
    'The intraday time series encountered an internal or external error - we apologize for the inconvenience. If you would like to obtain the realtime stock quote for the current trading day, please refer to the latest data point of our DAILY and DAILY ADJUSTED functions (e.g., https://www.alphavantage.co/query?function=TIME_SERIES_DAILY&symbol=MSFT&apikey=demo).',
  ],
  [
    'entitlement',
    'Information',
    `${THANKS} This is a premium endpoint. ${SUBSCRIBE} to instantly unlock all premium endpoints`,
  ],
  [
    'entitlement',
    'Information',
    `${THANKS} The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint. ${SUBSCRIBE} to instantly unlock all premium features`,
  ],
  [
    'entitlement',
    'Information',
    `${THANKS} This is a premium endpoint. ${SUBSCRIBE}, up to 600 requests per minute`,
  ],
  [
    'entitlement',
    'message',
    'This is a premium endpoint. ***THE SAMPLE DATA SCHEMA BELOW IS ARTIFICIAL AND FOR ILLUSTRATION PURPOSES ONLY***.',
  ],
  [
    'burst_limit',
    'Information',
    `${THANKS} Please consider spreading out your free API requests more sparingly. ${SUBSCRIBE} to lift the free key rate limit (25 requests per day) and instantly unlock all premium endpoints`,
  ],
  [
    'burst_limit',
    'Information',
    `${THANKS} Please consider spreading out your free API requests more sparingly (1 request per second). ${SUBSCRIBE} to lift the free key rate limit (25 requests per day), raise the per-second burst limit, and instantly unlock all premium endpoints`,
  ],
  ['burst_limit', 'Information', 'Burst pattern detected.'],
  [
    'minute_limit',
    'Information',
    'Minute-level rate limit exceed. Please stay under the number of API requests per minute for your premium subscription plan. Please contact support@alphavantage.co if you are targeting a higher API request volume.',
  ],
  ['minute_limit', 'Information', 'Please consider optimizing your API call frequency.'],
  [
    'minute_limit',
    'Note',
    `${THANKS} Our standard API call frequency is 5 calls per minute and 500 calls per day. Please visit https://www.alphavantage.co/premium/ if you would like to target a higher API call frequency.`,
  ],
  [
    'daily_limit',
    'Information',
    'We have detected your API key as REDACTEDKEY00000 and our standard API rate limit is 25 requests per day. Please subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily rate limits.',
  ],
  [
    'demo_key',
    'Information',
    'The **demo** API key is for demo purposes only. Please claim your free API key at (https://www.alphavantage.co/support/#api-key) to explore our full API offerings. It takes fewer than 20 seconds.',
  ],
]

/** Texts that nobody has reported, which say the meaning of a class in other words. */
const REWORDED: [RefusalClass, string][] = [
  ['burst_limit', 'Per-second rate limit exceeded'],
  ['burst_limit', 'Please slow down to at most one request every second'],
  ['burst_limit', 'You made more than 10 calls/sec.'],
  ['minute_limit', 'You have exceeded the rate limit of 75 requests per minute'],
  ['minute_limit', 'Our standard API rate limit is 75 requests per minute'],
  ['minute_limit', 'Minute rate limit exceeded'],
  ['minute_limit', 'Your plan allows 75 requests/minute.'],
  ['daily_limit', 'Your plan allows 25 requests/day.'],
  ['daily_limit', 'Your plan allows 25 requests daily.'],
  ['daily_limit', 'Your plan allows 25 API requests per 24 hours.'],
  ['daily_limit', 'Daily API request limit reached.'],
  [
    'daily_limit',
    `Our standard API rate limit is 25 requests per day. ${SUBSCRIBE} for up to 1200 requests per minute and 30 per second.`,
  ],
  ['daily_limit', 'You have used the 25 requests per day. Note that your apikey is valid; missing data?'],
  ['throttled', 'Too many requests.'],
  ['throttled', 'API rate limit exceeded.'],
  ['throttled', 'Your quota is exhausted.'],
  ['entitlement', 'This is a premium endpoint: it needs a plan of 75 requests/minute.'],
  ['invalid_key', 'Your API key has expired.'],
  ['invalid_key', 'Invalid or missing API key'],
]

describe('classifyRefusal', () => {
  it.each(REWORDED)('finds %s by the meaning of: %s', (expected, text) => {
    for (const key of ['Error Message', 'Information', 'Note', 'message']) {
      expect(classifyRefusal({ [key]: text })?.class).toBe(expected)
    }
  })

  it.each(REPORTED)('finds %s under %j in: %s', (expected, key, text) => {
    expect(classifyRefusal({ [key]: text })).toEqual({ class: expected, text })
  })

  it.each(REPORTED)('finds %s (%s) under any other refusal key too', (expected, _key, text) => {
    for (const key of ['Error Message', 'Information', 'Note', 'message']) {
      expect(classifyRefusal({ [key]: text })?.class).toBe(expected)
    }
  })

  it.each(REPORTED)('finds %s (%s) whatever data stands beside it', (expected, key, text) => {
    const body = { 'Meta Data': { '2. Symbol': 'IBM' }, 'Time Series (Daily)': {}, [key]: text }
    expect(classifyRefusal(body)?.class).toBe(expected)
  })

  it('takes a wording never seen before for unrecognized, with its text', () => {
    const text = 'We are on holiday until Monday.'
    expect(classifyRefusal({ Information: text })).toEqual({ class: 'unrecognized', text })
  })

  it('takes a text under a key never seen before for a refusal', () => {
    expect(classifyRefusal({ Notice: 'our rate limit is 25 requests per day' })?.class).toBe('daily_limit')
    expect(classifyRefusal({ Notice: 'Good morning', code: 7 })?.class).toBe('unrecognized')
  })

  it('takes a refusal key whose value is no text for unrecognized', () => {
    expect(classifyRefusal({ Information: { nested: 'text' } })?.class).toBe('unrecognized')
    expect(classifyRefusal({ Note: null })?.class).toBe('unrecognized')
  })

  it.each([{}, { 'Global Quote': {} }, { 'Meta Data': {}, 'Time Series (Daily)': {} }, [], null, 'Note', 7])(
    'takes %j for no refusal',
    (body) => expect(classifyRefusal(body)).toBeNull(),
  )
})

describe('the table of dispositions', () => {
  it('points to compact where the whole history was asked for and is not of the plan, and nowhere else', () => {
    const { advice } = DISPOSITIONS.entitlement
    expect(adviceOn(DISPOSITIONS.entitlement, { outputsize: 'full', viaProxy: false })).toBe(
      `${advice} Or ask for compact.`,
    )
    for (const outputsize of ['compact', null] as const)
      expect(adviceOn(DISPOSITIONS.entitlement, { outputsize, viaProxy: false })).toBe(advice)
    expect(adviceOn(DISPOSITIONS.no_data, { outputsize: 'full', viaProxy: false })).not.toContain('compact')
  })

  it('spends no attempt on a limit or a key', () => {
    const free = [
      'invalid_key',
      'demo_key',
      'burst_limit',
      'minute_limit',
      'daily_limit',
      'throttled',
    ] as const
    for (const name of free) expect(DISPOSITIONS[name].disposition.action).toBe('snooze')
  })

  it('is told in sentences, a row a class', () => {
    const rows = refusalRows()
    expect(rows.map((row) => row.class)).toEqual(Object.keys(DISPOSITIONS))
    for (const { meaning, action, advice } of rows)
      for (const sentence of [meaning, action, advice]) expect(sentence).toMatch(/^[A-Z].*\.$/)
    expect(rows.find((row) => row.class === 'no_data')).toEqual({
      class: 'no_data',
      meaning: 'Alpha Vantage has no daily series for this symbol.',
      action: 'Makes 2 attempts in all, with a backoff between them.',
      advice: 'Check that it is a listed one.',
      scope: 'item',
      remembered: 'symbol',
    })
  })

  it('is what an error of the class says by default', () => {
    const error = new AlphaVantageError('no_data', 'IBM: nothing')
    expect(error).toMatchObject({
      disposition: { action: 'retry', maxAttempts: 2 },
      httpStatus: null,
      evidence: null,
    })
  })

  it('keeps of the evidence what a text column takes', () => {
    const { evidence } = new AlphaVantageError('bad_payload', 'IBM', {
      evidence: `a\0b${'😀'.repeat(2_000)}`,
    })
    expect(evidence).toMatch(/^a\\u0000b😀/)
    expect(evidence?.length).toBeLessThan(2_060)
    expect(evidence).not.toMatch(/\p{Surrogate}/u)
  })
})

describe('the daily limit that a refusal states', () => {
  it.each([
    ['our standard API rate limit is 25 requests per day. Please subscribe', 25],
    ['We have detected your API key and our rate limit is 500 requests\nper day.', 500],
    ['You have reached the 100 API calls a day of your plan', 100],
    ['Please consider spreading out your requests (1 request per second)', null],
    ['Your plan allows 25 requests/day.', 25],
    ['Your plan allows 25 requests daily.', 25],
    ['Your plan allows 25 API requests per 24 hours.', 25],
    ['Your plan allows 1,500 API calls daily.', 1500],
    ['to instantly remove all daily rate limits', null],
    ['Our standard API rate limit is 75 requests per minute', null],
  ])('%j: %s', (text, limit) => {
    expect(requestsPerDayIn(text)).toBe(limit)
  })
})
