import { objectJson } from './series/wire.js'

/** The refusals in words that the simulator can give, by the classes that the client gives them. */
export const REFUSALS = [
  'invalid_key',
  'invalid_symbol',
  'unknown_function',
  'provider_error',
  'entitlement',
  'burst_limit',
  'minute_limit',
  'daily_limit',
  'demo_key',
  'no_data',
  'unrecognized',
] as const
export type Refusal = (typeof REFUSALS)[number]

/** Facts of the request and of the plan that some refusals repeat. */
export interface RefusalContext {
  function: string
  /** The daily refusal of the provider repeats the key, so the simulator's does too. */
  apikey: string
  /** How many requests a day the daily refusal says that the plan has. */
  perDay: number
}

const SUBSCRIBE = 'You may subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to'

/**
 * Every wording that was seen, by class and variant; CURRENT names the variants in use in 2026. They are transcribed from public
 * reports, and arrive with HTTP 200 as JSON, whatever datatype was asked for.
 */
const WORDINGS: Record<Refusal, Record<string, (context: RefusalContext) => Record<string, unknown>>> = {
  invalid_key: {
    current: () => ({
      'Error Message':
        'the parameter apikey is invalid or missing. Please claim your free API key on (https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds.',
    }),
  },
  invalid_symbol: {
    current: (context) => ({
      'Error Message': `Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for ${context.function}.`,
    }),
  },
  unknown_function: {
    current: (context) => ({ 'Error Message': `This API function (${context.function}) does not exist.` }),
  },
  provider_error: {
    '2017': () => ({
      'Error Message':
        'The intraday time series encountered an internal or external error - we apologize for the inconvenience. If you would like to obtain the realtime stock quote for the current trading day, please refer to the latest data point of our DAILY and DAILY ADJUSTED functions (e.g., https://www.alphavantage.co/query?function=TIME_SERIES_DAILY&symbol=MSFT&apikey=demo | https://www.alphavantage.co/query?function=TIME_SERIES_DAILY_ADJUSTED&symbol=MSFT&apikey=demo).',
    }),
  },
  entitlement: {
    outputsize: (context) => ({
      Information: `Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the ${context.function} endpoint. ${SUBSCRIBE} instantly unlock all premium features`,
    }),
    endpoint: () => ({
      Information: `Thank you for using Alpha Vantage! This is a premium endpoint. ${SUBSCRIBE} instantly unlock all premium endpoints`,
    }),
    // A refusal beside rows that look like data: the sentence makes the body a refusal.
    sample_data: () => ({
      endpoint: 'Realtime Bulk Quotes',
      message:
        "This is a premium endpoint. ***THE SAMPLE DATA SCHEMA BELOW IS ARTIFICIAL AND FOR ILLUSTRATION PURPOSES ONLY***. To access the actual data, please subscribe to any premium plan that mentions 'Realtime US Market Data' in its description at https://www.alphavantage.co/premium/ for your personal non-professional use. For professional/commercial use, please contact support at support@alphavantage.co.",
      data: [{ symbol: 'SAMPLE', timestamp: '2024-01-02 16:00:00.000', open: '1.00', close: '1.00' }],
    }),
  },
  burst_limit: {
    '2026': () => ({
      Information: `Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 request per second). ${SUBSCRIBE} lift the free key rate limit (25 requests per day), raise the per-second burst limit, and instantly unlock all premium endpoints`,
    }),
    '2025': () => ({
      Information: `Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly. ${SUBSCRIBE} lift the free key rate limit (25 requests per day) and instantly unlock all premium endpoints`,
    }),
  },
  minute_limit: {
    premium: () => ({
      Information:
        'Minute-level rate limit exceed. Please stay under the number of API requests per minute for your premium subscription plan. Please contact support@alphavantage.co if you are targeting a higher API request volume.',
    }),
    '2018': () => ({
      Note: 'Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 calls per day. Please visit https://www.alphavantage.co/premium/ if you would like to target a higher API call frequency.',
    }),
    '2017': () => ({ Information: 'Please consider optimizing your API call frequency.' }),
  },
  daily_limit: {
    '2025': (context) => ({
      Information: `We have detected your API key as ${context.apikey} and our standard API rate limit is ${context.perDay} requests per day. Please subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily rate limits.`,
    }),
  },
  demo_key: {
    current: () => ({
      Information:
        'The **demo** API key is for demo purposes only. Please claim your free API key at (https://www.alphavantage.co/support/#api-key) to explore our full API offerings. It takes fewer than 20 seconds.',
    }),
  },
  no_data: {
    empty_object: () => ({}),
    empty_series: (context) => ({
      'Meta Data': { '1. Information': context.function },
      'Time Series (Daily)': {},
    }),
  },
  // Sentences of the simulator's own, which no reader knows, like the next new sentence of the provider.
  unrecognized: {
    information: () => ({ Information: 'Our carrier pigeons are resting. Please come back another time.' }),
    note: () => ({ Note: 'Our carrier pigeons are resting. Please come back another time.' }),
    unknown_key: () => ({ 'Something Else': { nested: true } }),
  },
}

/** The variant of each class that is given by default. The first key is no guide: JavaScript puts keys that look like integers first. */
const CURRENT: Record<Refusal, string> = {
  invalid_key: 'current',
  invalid_symbol: 'current',
  unknown_function: 'current',
  provider_error: '2017',
  entitlement: 'outputsize',
  burst_limit: '2026',
  minute_limit: 'premium',
  daily_limit: '2025',
  demo_key: 'current',
  no_data: 'empty_object',
  unrecognized: 'information',
}

/** Lists the variants of a class. */
export function variantsOf(refusal: Refusal): string[] {
  return Object.keys(WORDINGS[refusal])
}

/**
 * Makes the body of a refusal.
 * @param variant one of `variantsOf`, by default the current one
 * @throws RangeError for another variant
 */
export function refusalBody(refusal: Refusal, context: RefusalContext, variant?: string): Buffer {
  const name = variant ?? CURRENT[refusal]
  const wording = WORDINGS[refusal][name]
  if (wording === undefined) {
    throw new RangeError(
      `Refusal ${refusal} has no variant ${name}: it has ${variantsOf(refusal).join(', ')}.`,
    )
  }
  return objectJson(wording(context))
}
