import type { Disposition, RefusalRow, TransportClass } from '@stockpile/domain/refusal'

/** Everything that can go wrong with a request, by what it means for Stockpile. */
export type RefusalClass =
  // What an answer says.
  | 'invalid_key'
  | 'demo_key'
  | 'invalid_symbol'
  | 'unknown_function'
  | 'provider_error'
  | 'entitlement'
  | 'burst_limit'
  | 'minute_limit'
  | 'daily_limit'
  | 'no_data'
  | 'wrong_symbol'
  | 'unrecognized'
  // What became of the request on its way.
  | TransportClass

/**
 * The one table of refusals: what each class means, what the worker does about it, and what a person should do. The table of
 * docs/failures.md is made from it.
 */
export const DISPOSITIONS: Readonly<Record<RefusalClass, RefusalRow>> = {
  // A person replaces the key, so the run waits. The ledger, not `waitMs`, decides when the same key is asked with again
  // (after 1, 2, 4 … 24 h); another key is used at once.
  invalid_key: row(snooze(60_000), {
    meaning: 'Alpha Vantage does not accept the API key.',
    advice: 'Set a valid key: the run goes on by itself.',
    scope: 'key',
  }),
  demo_key: row(snooze(60_000), {
    meaning: 'The demo key serves only the documented examples.',
    advice: 'Set a key of your own: the run goes on by itself.',
    scope: 'key',
  }),
  // An unknown symbol with `full` is sometimes served with `compact`.
  invalid_symbol: row(fail(), {
    meaning: 'Alpha Vantage does not know this symbol.',
    advice: 'Check it with a symbol search.',
    remembered: 'symbol',
    compactFallback: 'always',
  }),
  unknown_function: row(fail(), {
    meaning: 'The function that was asked for does not exist.',
    advice: 'This is a bug of Stockpile: please report it.',
  }),
  provider_error: row(retry(5), {
    meaning: 'Alpha Vantage reports an error of its own.',
    advice: 'There is nothing to do but wait.',
    scope: 'provider',
  }),
  // The ledger remembers for a day what the plan of a key does not include.
  entitlement: row(fail(), {
    meaning: 'The plan does not include this.',
    advice: 'It takes a larger plan, and the key of it.',
    moreAdvice: ({ outputsize }) => (outputsize === 'full' ? 'Or ask for compact.' : null),
    scope: 'access',
    compactFallback: 'auto',
  }),
  burst_limit: row(snooze(2_500), {
    meaning: 'Too many requests within a second.',
    advice: 'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
    scope: 'everything',
    limit: 'second',
  }),
  minute_limit: row(snooze(60_000), {
    meaning: 'Too many requests within a minute.',
    advice: 'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
    scope: 'everything',
    limit: 'minute',
  }),
  // The hour at which the daily quota frees is disputed (00:00 or 04:00 UTC): the ledger takes a rolling day, and says
  // when the day has room again.
  daily_limit: row(snooze(3_600_000), {
    meaning: 'The daily quota is spent.',
    advice: 'Wait: the run goes on when it frees, or with a premium plan.',
    scope: 'everything',
    limit: 'day',
  }),
  // Asked for once more, since a series can be missing for a moment; not oftener, since a symbol without history stays
  // without, and each attempt costs one of 25 requests a day on the free plan.
  no_data: row(retry(2), {
    meaning: 'Alpha Vantage has no daily series for this symbol.',
    advice: 'Check that it is a listed one.',
    remembered: 'symbol',
  }),
  // A symbol that was renamed is answered with the other's data again and again; a second attempt tells a renaming from a
  // mix-up of the provider's cache.
  wrong_symbol: row(retry(2), {
    meaning: "That is another symbol's series; nothing of it is stored.",
    advice: 'Ask for the symbol that it names, if it is the same company: symbols are renamed.',
    remembered: 'symbol',
  }),
  unrecognized: row(retry(3), {
    meaning: 'Alpha Vantage answered with a text not seen before.',
    advice: 'Read the evidence.',
  }),
  network: row(retry(5), {
    meaning: 'The request got no complete answer.',
    advice: 'Check the network and ALPHAVANTAGE_BASE_URL.',
    moreAdvice: ({ viaProxy }) =>
      viaProxy ? 'A proxy is set (HTTPS_PROXY, HTTP_PROXY): check it too.' : null,
    scope: 'provider',
  }),
  timeout: row(retry(5), {
    meaning: 'The answer was not complete within the deadline.',
    advice: 'Check the network.',
    scope: 'provider',
  }),
  http_error: row(retry(5), {
    meaning: 'The server failed.',
    advice: 'There is nothing to do but wait.',
    scope: 'provider',
  }),
  // A redirect, a 4xx, or a 2xx other than 200 means that the request is wrong, or that a proxy in between failed for a
  // moment: a second attempt tells which. The symbol has no part in it, so nothing is remembered.
  http_rejected: row(retry(2), {
    meaning: 'The server does not serve the request.',
    advice: 'Check ALPHAVANTAGE_BASE_URL and what stands between.',
    scope: 'provider',
  }),
  redirect: row(retry(2), {
    meaning: 'The server redirects elsewhere, where the key is not sent.',
    advice: 'Check ALPHAVANTAGE_BASE_URL and what stands between.',
    scope: 'provider',
  }),
  throttled: row(snooze(60_000), {
    meaning: 'The server asks to slow down.',
    advice: 'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
    scope: 'everything',
  }),
  bad_payload: row(retry(3), {
    meaning: 'The answer is not a sound daily series of this symbol.',
    advice: 'Read the evidence.',
  }),
  // A second attempt would only download the body in vain again: a full history is under 2 MB.
  too_large: row(fail(), {
    meaning: 'The answer is larger than any daily series.',
    advice: 'Check ALPHAVANTAGE_BASE_URL.',
    remembered: 'outputsize',
  }),
}

/** Whether a stored class is one of this version's. */
export function isRefusalClass(name: string): name is RefusalClass {
  return Object.hasOwn(DISPOSITIONS, name)
}

type Row = Pick<RefusalRow, 'meaning' | 'advice'> & Partial<Omit<RefusalRow, 'disposition'>>

/** Makes a row of the table; by default the refusal speaks of the item alone, and nothing is remembered. */
function row(disposition: Disposition, given: Row): RefusalRow {
  return {
    moreAdvice: null,
    scope: 'item',
    limit: null,
    remembered: null,
    compactFallback: null,
    ...given,
    disposition,
  }
}

function retry(maxAttempts: number): Disposition {
  return { action: 'retry', maxAttempts }
}

function snooze(waitMs: number): Disposition {
  return { action: 'snooze', waitMs }
}

function fail(): Disposition {
  return { action: 'fail' }
}
