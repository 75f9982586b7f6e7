import { storableText } from '../text/storable.js'

/** What can go wrong with a request, by what it means for us. The first twelve are what an answer says, `throttled` its words or HTTP 429, the rest its transport. */
export type RefusalClass =
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
  | 'network'
  | 'timeout'
  | 'http_error'
  | 'http_rejected'
  | 'throttled'
  | 'bad_payload'
  | 'too_large'
  | 'redirect'

/**
 * What to do next. `retry`: again after a backoff, at most `maxAttempts` attempts in all, the first included.
 * `snooze`: again after `waitMs`, which costs no attempt; `again` is what the same answer means when it comes after that. `fail`: the same request will not get another answer.
 */
export type Disposition =
  | { outcome: 'retry'; maxAttempts: number }
  | { outcome: 'snooze'; waitMs: number; again?: AlphaVantageError }
  | { outcome: 'fail' }

/**
 * Which requests need not be sent for a day after an item failed so, unless somebody insists (`force`, or a retry):
 * `symbol` all for the symbol, `outputsize` those for as much of it, `null` none, since another answer may come at any
 * time, or the answer says nothing of the symbol.
 */
export type Remembered = 'symbol' | 'outputsize' | null

/**
 * The one table of refusals: what each means, what the worker does about it, and what a person should. The README repeats it.
 * - A key is put right by a person, so the run waits (`blocked`). The ledger, not `waitMs`, decides when the same key is
 *   asked with again (after 1, 2, 4 … 24 h); another is used at once.
 * - The hour at which the daily quota frees is disputed (00:00 or 04:00 UTC): the ledger takes a rolling day, and says
 *   when it has room.
 * - No data is asked for once more, since a series can be missing for a moment; a symbol without history stays
 *   without, and each try costs one of 25 requests on the free plan.
 * - A redirect, a 4xx, or a 2xx that is not 200, means that our request is wrong, or that a proxy in between was for a
 *   moment: one more try tells which.
 * - A body over the cap (a full history is under 2 MB) would only be downloaded in vain again.
 * - A symbol that was renamed is answered with the other's data again and again; once more tells a mix-up of the
 *   provider's cache from that.
 * - What a redirect or a status says may be a proxy's doing, and is none of the symbol's: it is not remembered.
 */
export const DISPOSITIONS: Record<
  RefusalClass,
  Disposition & { meaning: string; advice: string; remembered: Remembered }
> = {
  invalid_key: snooze(
    60_000,
    'Alpha Vantage does not accept the API key.',
    'Set a valid key: the run goes on by itself.',
  ),
  demo_key: snooze(
    60_000,
    'The demo key serves only the documented examples.',
    'Set a key of your own: the run goes on by itself.',
  ),
  invalid_symbol: fail(
    'Alpha Vantage does not know this symbol.',
    'Check it with a symbol search.',
    'symbol',
  ),
  unknown_function: fail(
    'The function that was asked for does not exist.',
    'This is a bug of Stockpile: please report it.',
  ),
  provider_error: retry(5, 'Alpha Vantage reports an error of its own.', 'There is nothing to do but wait.'),
  entitlement: fail('The plan does not include this.', 'It takes a larger plan, and the key of it.'),
  burst_limit: snooze(
    2_500,
    'Too many requests within a second.',
    'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
  ),
  minute_limit: snooze(
    60_000,
    'Too many requests within a minute.',
    'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
  ),
  daily_limit: snooze(
    3_600_000,
    'The daily quota is spent.',
    'Wait: the run goes on when it frees, or with a premium plan.',
  ),
  no_data: retry(
    2,
    'Alpha Vantage has no daily series for this symbol.',
    'Check that it is a listed one.',
    'symbol',
  ),
  wrong_symbol: retry(
    2,
    "That is another symbol's series; nothing of it is stored.",
    'Ask for the symbol that it names, if it is the same company: symbols are renamed.',
    'symbol',
  ),
  unrecognized: retry(3, 'Alpha Vantage answered with a text not seen before.', 'Read the evidence.'),
  network: retry(5, 'The request got no complete answer.', 'Check the network and ALPHAVANTAGE_BASE_URL.'),
  timeout: retry(5, 'The answer was not complete within the deadline.', 'Check the network.'),
  http_error: retry(5, 'The server failed.', 'There is nothing to do but wait.'),
  http_rejected: retry(
    2,
    'The server does not serve the request.',
    'Check ALPHAVANTAGE_BASE_URL and what stands between.',
  ),
  throttled: snooze(
    60_000,
    'The server asks to slow down.',
    'Check ALPHAVANTAGE_PLAN, and what else uses this key or address.',
  ),
  bad_payload: retry(3, 'The answer is not a sound daily series of this symbol.', 'Read the evidence.'),
  too_large: fail(
    'The answer is larger than any daily series.',
    'Check ALPHAVANTAGE_BASE_URL.',
    'outputsize',
  ),
  redirect: retry(
    2,
    'The server redirects elsewhere, where the key is not sent.',
    'Check ALPHAVANTAGE_BASE_URL and what stands between.',
  ),
}

/** What a person should do, fit for what was sent; `viaProxy` when a proxy is set. */
export function adviceOn(
  refusal: RefusalClass,
  sent: { outputsize: 'compact' | 'full' | null; viaProxy: boolean },
): string {
  const { advice } = DISPOSITIONS[refusal]
  if (refusal === 'entitlement' && sent.outputsize === 'full') return `${advice} Or ask for compact.`
  if (refusal === 'network' && sent.viaProxy)
    return `${advice} A proxy is set (HTTPS_PROXY, HTTP_PROXY): check it too.`
  return advice
}

const MAX_EVIDENCE = 2_048

/** Details of an AlphaVantageError; what is left out is null, and the disposition that of the table. */
export interface ErrorDetails {
  httpStatus?: number | null
  evidence?: string | null
  disposition?: Disposition
  /** False when nothing can have reached the provider; true unless said. */
  sent?: boolean
}

/**
 * A request that brought no series. It carries no cause, since those of fetch quote the URL, and with it the key.
 * Whoever makes one from a provider's words must have redacted them: client.ts does.
 */
export class AlphaVantageError extends Error {
  override readonly name = 'AlphaVantageError'
  readonly class: RefusalClass
  readonly disposition: Disposition
  readonly httpStatus: number | null
  /** False when nothing can have reached the provider, so that no quota was spent. */
  readonly sent: boolean
  /** The beginning of the provider's own words, at most 2,048 characters, fit for a text column. */
  readonly evidence: string | null

  constructor(refusal: RefusalClass, message: string, details: ErrorDetails = {}) {
    super(storableText(message))
    this.class = refusal
    this.disposition = details.disposition ?? dispositionOf(refusal)
    this.httpStatus = details.httpStatus ?? null
    this.sent = details.sent ?? true
    const evidence = details.evidence ?? ''
    this.evidence = evidence === '' ? null : storableText(evidence.slice(0, MAX_EVIDENCE))
  }
}

/** One class's row of the table, without its sentences. */
function dispositionOf(refusal: RefusalClass): Disposition {
  const {
    meaning: _meaning,
    advice: _advice,
    remembered: _remembered,
    ...disposition
  } = DISPOSITIONS[refusal]
  return disposition
}

function retry(maxAttempts: number, meaning: string, advice: string, remembered: Remembered = null) {
  return { outcome: 'retry' as const, maxAttempts, meaning, advice, remembered }
}

function snooze(waitMs: number, meaning: string, advice: string) {
  return { outcome: 'snooze' as const, waitMs, meaning, advice, remembered: null }
}

function fail(meaning: string, advice: string, remembered: Remembered = null) {
  return { outcome: 'fail' as const, meaning, advice, remembered }
}
