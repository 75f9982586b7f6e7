import { Agent, fetch } from 'undici'
import type { DailyRequest, FetchedDaily, ProviderClient } from '@stockpile/domain/provider'
import { readBody } from './body.js'
import { type DailySeries, parseDailyJson } from '../series/daily-series.js'
import { type Deadline, startDeadline } from './deadline.js'
import { onDeparture } from './departure.js'
import { errorOfBody, errorOfStatus, errorOfTransport, makeError } from './errors.js'
import { asIs, type Redact, redactorOf } from '../text/redact.js'
import { AlphaVantageError } from '../refusals/refusal.js'
import { SYNTHETIC_HEADER } from './synthetic-header.js'
import type { Transport } from './transport.js'

/** How a client reaches the provider, and with which bounds. */
export interface ClientOptions {
  /** Where `/query` is, without it: `https://www.alphavantage.co`. */
  baseUrl: string
  /** Called before every request, so that a rotated key counts at once. White space around the key is ignored. */
  apiKey: () => string | Promise<string>
  /** The way to the provider, by default a direct one. */
  transport?: Transport
  /** The time for a whole request, its body included; default 30,000. */
  timeoutMs?: number
  /** The greatest size of a decoded body; default 32 MiB. */
  bodyLimitBytes?: number
  now?: () => Date
}

/** One daily series that was fetched. */
type FetchedSeries = DailySeries & FetchedDaily

export interface Client extends ProviderClient {
  /**
   * Fetches TIME_SERIES_DAILY, raw prices, as `ProviderClient` says. `compact` is the newest 100 rows, `full` some 25 years;
   * the free plan refuses `full` (reports from 2026-05 on).
   */
  fetchDaily(request: DailyRequest, signal?: AbortSignal, onDeparture?: () => void): Promise<FetchedSeries>
}

/** An agent of this package's undici, since Node's own takes a `100 Continue` for an error. */
const DIRECT = new Agent()

/**
 * Makes a client, which sends nothing yet.
 * @throws TypeError when `baseUrl` is no http(s) URL, or has a user, a query or a fragment
 */
export function createClient(options: ClientOptions): Client {
  const { timeoutMs = 30_000, bodyLimitBytes = 32 * 1024 * 1024, now = () => new Date() } = options
  const endpoint = endpointOf(options.baseUrl)
  const dispatcher = options.transport?.dispatcher ?? DIRECT

  async function fetchText(url: URL, symbol: string, redact: Redact, deadline: Deadline) {
    try {
      const response = await fetch(url, {
        dispatcher,
        redirect: 'manual',
        signal: deadline.signal,
        headers: { accept: 'application/json', 'user-agent': 'stockpile' },
      })
      // A part of a series (206), or a series that a proxy has changed (203), is not taken for one.
      if (response.status !== 200) throw await errorOfStatus(response, symbol, redact, now())
      const { chunks, complete } = await readBody(response, bodyLimitBytes)
      if (!complete)
        throw makeError('too_large', symbol, redact, { what: `More than ${bodyLimitBytes} bytes` })
      const body = Buffer.concat(chunks)
      const synthetic = response.headers.get(SYNTHETIC_HEADER) === 'true'
      return { text: decode(body), bytes: body.length, synthetic }
    } catch (error) {
      if (error instanceof AlphaVantageError) throw error
      throw errorOfTransport(error, symbol, redact, deadline.isOver() ? timeoutMs : null)
    }
  }

  async function send(
    { symbol, outputsize }: DailyRequest,
    deadline: Deadline,
    departed: () => void,
  ): Promise<FetchedSeries> {
    const key = await readKey(options.apiKey, symbol, deadline, timeoutMs)
    const redact = redactorOf(key)
    const url = new URL(endpoint)
    const query = { function: 'TIME_SERIES_DAILY', symbol, outputsize, datatype: 'json', apikey: key }
    url.search = new URLSearchParams(query).toString()
    const endWatch = onDeparture(url, departed)
    const { text, bytes, synthetic } = await fetchText(url, symbol, redact, deadline).finally(endWatch)
    const series = parseRedacted(text, symbol, redact, now())
    return { ...series, bytes, synthetic }
  }

  return {
    async fetchDaily(request, signal, departed = () => {}) {
      signal?.throwIfAborted()
      const deadline = startDeadline(timeoutMs, signal)
      try {
        return await send(request, deadline, departed)
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        deadline.end()
      }
    },
  }
}

function endpointOf(baseUrl: string): URL {
  // No message quotes the URL: a person who pastes a whole request here pastes the key with it.
  if (!URL.canParse(baseUrl)) throw new TypeError('the base URL of Alpha Vantage is no URL')
  const url = new URL(baseUrl)
  if (!/^https?:$/.test(url.protocol) || url.username + url.password + url.search + url.hash !== '') {
    throw new TypeError('the base URL of Alpha Vantage must be http(s), without user, query and fragment')
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '').replace(/\/query$/, '')}/query`
  return url
}

/**
 * Asks for the key.
 * @throws AlphaVantageError `invalid_key`, `sent: false`, for a text that cannot be a key; `timeout` when there is none in time
 */
async function readKey(
  apiKey: ClientOptions['apiKey'],
  symbol: string,
  deadline: Deadline,
  timeoutMs: number,
): Promise<string> {
  let key: string
  try {
    key = (await deadline.race(Promise.resolve().then(apiKey))).trim()
  } catch (error) {
    if (deadline.isOver()) throw errorOfTransport(error, symbol, asIs, timeoutMs)
    throw makeError('invalid_key', symbol, asIs, { what: 'The API key could not be read', sent: false })
  }
  if (!/^[\x20-\x7E]{1,256}$/.test(key)) {
    throw makeError('invalid_key', symbol, asIs, {
      what: 'The API key is empty or cannot be one',
      sent: false,
    })
  }
  return key
}

/** Decodes UTF-8. A byte that is none becomes U+FFFD, which no number and no symbol contains: the checks of the rows find it. */
function decode(bytes: Buffer): string {
  return new TextDecoder().decode(bytes)
}

function parseRedacted(text: string, symbol: string, redact: Redact, now: Date): DailySeries {
  try {
    const series = parseDailyJson(text, symbol, now, redact)
    // These two are the provider's own words as well. Rows are not redacted: they hold numbers and dates alone.
    const { lastRefreshed, timeZone } = series
    return {
      ...series,
      lastRefreshed: lastRefreshed === null ? null : redact(lastRefreshed),
      timeZone: timeZone === null ? null : redact(timeZone),
    }
  } catch (error) {
    if (!(error instanceof AlphaVantageError)) throw error
    throw errorOfBody(error, text, redact)
  }
}
